"""A disk that is full, a folder that is read-only, a pipe that nobody reads: one line each, and nothing lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(tiny_bundle: Path, example: Path) -> Call:
    """Infer the two examples in a process of its own; keywords are those of `subprocess.run`."""

    def infer(*options: object, **how: object) -> subprocess.CompletedProcess[str]:
        spectra = [example, example.with_name("ni1200120194.pha")]
        words = ["infer", *spectra, "--model", tiny_bundle, "--provider", "cpu", "--samples", 500, *options]
        command = [sys.executable, "-m", "xspecnf_cli", *map(str, words)]
        return subprocess.run(command, stderr=subprocess.PIPE, text=True, **how)  # type: ignore[call-overload]

    return infer


def small_files() -> None:
    """No file of more than 8000 bytes: what a full disk looks like to a process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))


def test_a_full_disk_takes_nothing_that_was_there(call: Call, tmp_path: Path) -> None:
    """The .npz of 500 samples finds no room; an earlier one and the table stay as they were."""
    before, table = tmp_path / "1200120106.npz", tmp_path / "t.ecsv"
    np.savez(before, earlier=np.arange(3))
    whole = before.read_bytes()
    done = call("--output", tmp_path / "{stem}.npz", "--table", table, preexec_fn=small_files)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{before}" in done.stderr
    assert before.read_bytes() == whole
    assert {path.name for path in tmp_path.iterdir()} <= {before.name, table.name}
    again = call("--output", tmp_path / "{stem}.npz", "--table", table, "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert len(Table.read(table)) == 2


@pytest.mark.parametrize("option", ["--table", "--output"])
def test_a_folder_that_takes_no_file_is_named(call: Call, option: str) -> None:
    """/proc refuses new files to everybody, root too, whom modes do not stop."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc, in which nobody can create a file")
    done = call(option, "/proc/{stem}.fits" if option == "--output" else "/proc/t.fits", "--quiet")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "/proc/" in done.stderr


def unread() -> int:
    """The end of a pipe whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    return write


def full() -> int:
    """A device that takes nothing."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("opened", [unread, full])
def test_output_that_nobody_takes_ends_the_batch_and_keeps_its_rows(
    call: Call, tmp_path: Path, opened: Callable[[], int]
) -> None:
    stdout, table = opened(), tmp_path / "t.ecsv"
    done = call("--json", "--table", table, stdout=stdout)
    os.close(stdout)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: standard output: ")
    assert len(Table.read(table)) == 1
