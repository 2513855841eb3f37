"""Many files: in order, lazily, on any executor, a bad file being a result like any other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from xspecnf.batch import Failure, Job
from xspecnf.errors import XspecnfError
from xspecnf.model import Model, load_model
from xspecnf.posterior import Posterior
from xspecnf.simulation import Setup, simulate_file


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return load_model(tiny_bundle, "cpu")


@pytest.mark.parametrize("arguments", [{"samples": 0}, {"seed": -1}, {"systematic": -0.1}, {"systematic": 1.0}])
def test_a_job_is_checked_before_the_batch_starts(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|negative|fraction"):
        Job(**arguments)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, example: Path) -> list[Path]:
    """Two simulated observations with a file between them that is none."""
    folder = tmp_path_factory.mktemp("files")
    for name, exposure in (("a", 100.0), ("b", 900.0)):
        setup = Setup(
            (0.6, 2.6, 0.03, 0.32, 1e4), exposure, example.with_suffix(".rmf.gz"), example.with_suffix(".arf")
        )
        simulate_file(setup, folder / f"{name}.pha", seed=1)
    (folder / "bad.pha").write_text("this is no FITS file")
    return [folder / "a.pha", folder / "bad.pha", folder / "b.pha"]


def test_a_bad_file_does_not_stop_the_batch(model: Model, files: list[Path]) -> None:
    results = list(model.infer_many(files, samples=20, seed=5))
    assert [result.file for result in results] == [str(path) for path in files]
    first, failure, last = results
    assert isinstance(failure, Failure)
    assert "bad.pha" in str(failure.error)
    alone = next(model.infer_many([files[2]], samples=20, seed=5))
    assert isinstance(first, Posterior)
    assert isinstance(last, Posterior)
    assert isinstance(alone, Posterior)
    np.testing.assert_array_equal(last.theta, alone.theta)


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


def test_an_executor_gives_the_same_results_in_order(
    model: Model, files: list[Path], processes: ProcessPoolExecutor
) -> None:
    here = list(model.infer_many(files, samples=20))
    there = list(model.infer_many(files, samples=20, executor=processes))
    assert [result.file for result in there] == [str(path) for path in files]
    assert isinstance(there[1], Failure)
    for mine, theirs in zip(here[::2], there[::2], strict=True):
        assert isinstance(mine, Posterior)
        assert isinstance(theirs, Posterior)
        np.testing.assert_array_equal(mine.theta, theirs.theta)


@pytest.mark.parametrize(("kept", "window", "ahead"), [(False, 4, 4), (False, 40, 40), (True, 4, 4), (True, 40, 16)])
def test_endless_paths_are_taken_a_window_at_a_time(model: Model, kept: bool, window: int, ahead: int) -> None:
    taken: list[Path] = []

    def paths() -> Iterator[Path]:
        for k in count():
            taken.append(Path(f"absent-{k}.pha"))
            yield taken[-1]

    with ThreadPoolExecutor(2) as executor:
        batch = model.infer_many(paths(), executor=executor, window=window, keep_observation=kept)
        results = list(islice(batch, 10))
    assert [result.file for result in results] == [str(path) for path in taken[:10]]
    assert len(taken) == 9 + ahead


class Dying(Executor):
    """An executor whose workers end without an answer."""

    def submit(self, fn, /, *args, **kwargs) -> Future:  # type: ignore[override]
        future: Future = Future()
        future.set_exception(BrokenExecutor("a worker was terminated abruptly"))
        return future


def test_a_dead_worker_ends_the_batch_with_a_sentence(model: Model) -> None:
    with pytest.raises(XspecnfError, match=r"a\.pha: a worker process died .* what was finished is kept"):
        list(model.infer_many(["a.pha", "b.pha"], executor=Dying()))


def test_no_worker_outlives_its_killed_parent() -> None:
    code = (
        "import os, time\n"
        "from xspecnf.processes import processes\n"
        "if __name__ == '__main__':\n"
        "    with processes(2) as pool:\n"
        "        print(*{pool.submit(os.getpid).result() for _ in range(2)}, flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert workers
    deadline = time.monotonic() + 60
    while any(map(alive, workers)):
        assert time.monotonic() < deadline, "a worker still waits for work"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_window_holds_at_least_one_file(model: Model) -> None:
    with pytest.raises(ValueError, match="at least 1 file, got 0"):
        model.infer_many([], window=0)
