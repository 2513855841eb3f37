"""A disk that is full, a folder that is read-only, a pipe that nobody reads: one line each, and nothing lost."""

from __future__ import annotations

import os
import re
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
    """The .npz of 500 samples finds no room: an earlier one stays as it was, both answers are printed and have their
    rows, and the same command makes up for what is not there.
    """
    outputs = [tmp_path / "1200120106.npz", tmp_path / "ni1200120194.npz"]
    before, table = outputs[0], tmp_path / "t.ecsv"
    np.savez(before, state=np.arange(3))
    whole = before.read_bytes()
    done = call("--output", tmp_path / "{stem}.npz", "--table", table, stdout=subprocess.PIPE, preexec_fn=small_files)
    assert done.returncode == 1
    for line, output in zip(done.stderr.splitlines(), outputs, strict=True):
        assert re.fullmatch(rf"error: \S+/{output.stem}\.pha: {output}: File too large", line)
    assert done.stdout.count("kT_disk") == 2
    assert "wrote" not in done.stdout
    assert before.read_bytes() == whole
    assert {path.name for path in tmp_path.iterdir()} == {before.name, table.name}
    assert len(Table.read(table)) == 2
    again = call("--output", tmp_path / "{stem}.npz", "--table", table, "--quiet")
    assert (again.returncode, again.stderr) == (0, f"1 of 2 files are in {table} already\n")
    assert outputs[1].exists()
    assert len(Table.read(table)) == 2


def test_a_table_that_finds_no_room_costs_no_answer(call: Call, tmp_path: Path) -> None:
    """A line for each row that did not reach the disk, and one for the table."""
    table = tmp_path / "t.ecsv"

    def smaller() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = call("--table", table, stdout=subprocess.PIPE, preexec_fn=smaller)
    assert done.returncode == 1
    assert done.stdout.count("kT_disk") == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all("File too large; the rows so far are kept" in line for line in lines)
    assert f".pha: {table}: " in lines[0]


@pytest.mark.parametrize("option", ["--table", "--output"])
def test_a_folder_that_takes_no_file_is_named(call: Call, option: str) -> None:
    """/proc refuses new files to everybody, root too, whom modes do not stop."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc, in which nobody can create a file")
    done = call(option, "/proc/{stem}.fits" if option == "--output" else "/proc/t.fits", "--quiet")
    assert done.returncode == 2
    assert "its folder /proc cannot be written to" in done.stderr


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
