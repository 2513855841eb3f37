"""`xspecnf infer` on many workers: processes and a Dask cluster do what this process does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a Dask cluster of two workers on this machine."""
    distributed = pytest.importorskip("distributed", reason="the extra xspecnf[cluster] is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def files(example: Path, tmp_path: Path) -> list[Path]:
    """The two examples, and between them a file that is none."""
    bad = tmp_path / "bad.pha"
    bad.write_text("no FITS file")
    return [example, bad, example.with_name("ni1200120194.pha")]


def answers(done: Result) -> list[tuple]:
    """What a run says of each file, but for times and for fits, which round as a process's matrix products do."""
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [(record["file"], record.get("parameters"), record.get("error")) for record in records]


def test_processes_answer_as_this_one_does(infer: Run, files: list[Path]) -> None:
    here, there = (infer(*files, "--samples", 10, "--json", "--jobs", jobs) for jobs in (1, 2))
    assert here.exit_code == there.exit_code == 1
    assert len(answers(here)) == 3
    assert answers(there) == answers(here)
    assert there.stderr == here.stderr


def test_a_cluster_answers_as_this_process_does(infer: Run, files: list[Path], scheduler: str) -> None:
    here = infer(*files, "--samples", 10, "--json")
    there = infer(*files, "--samples", 10, "--json", "--scheduler", scheduler)
    assert there.exit_code == 1
    assert answers(there) == answers(here)
    assert there.stderr == here.stderr


def test_processes_and_a_cluster_exclude_each_other(infer: Run, example: Path) -> None:
    done = infer(example, "--jobs", 2, "--scheduler", "tcp://localhost:8786")
    assert done.exit_code == 2
    assert "--jobs or --scheduler" in done.stderr
    assert done.stdout == ""


def test_a_missing_package_is_named_with_its_extra(infer: Run, example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = infer(example, "--scheduler", "tcp://localhost:8786")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: --scheduler needs distributed, which is not installed; run: pip install 'xspecnf[cluster]'\n"
    )
