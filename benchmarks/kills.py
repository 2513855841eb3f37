"""What kill -9 leaves: `OMP_NUM_THREADS=1 python benchmarks/kills.py EXAMPLES [--kills 50] [--only WORK...]`.

A batch in one process, a batch in two, a training run and an export, each begun again and again and killed by SIGKILL
at random moments between its start and its usual end. EXAMPLES is a folder of spectra with an ARF and an RMF, such as
examples/maxi_j1820. After every kill, each file on the disk but parts (.part), journals and an export's hidden folder
must read as a whole. What was killed is run again on what is there, until it ends, by itself or, in one of eight cases,
undisturbed; then every file must hold the same bytes as an undisturbed run's, but for the seconds that an .npz records.

Prints a line a work: kills, how many runs found something to go on from, ends that were compared. Stops with an error
where a file is torn or differs. Works are forked from this process, which has imported what they need.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from safetensors.numpy import load_file

from xspecnf.bundle import MANIFEST_FILE, load_bundle
from xspecnf_cli.app import app

FILES = 8
CONFIG = Path(__file__).parents[1] / "train" / "xspecnf_train" / "configs" / "nicer-bhb-encoder.toml"
SMALL = {"pool": 800, "epochs": 3, "steps": 2, "batch": 16, "transforms": 2, "hidden_features": 16}
UNFINISHED = (".part", ".part.npz", ".journal")
UNDISTURBED = 1 / 8
SAID = "said.txt"


@dataclass(frozen=True)
class Work:
    """A verb with its arguments, which writes into a folder of its own."""

    name: str
    arguments: Callable[[Path], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("examples", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import xspecnf_export.novelty  # here, for the batch's own workers import this file
    import xspecnf_train.run  # noqa: F401

    xspecnf_export.novelty.SAMPLE, xspecnf_export.novelty.FURTHER = 100, 50  # seconds at full size
    with tempfile.TemporaryDirectory() as scratch:
        for number, work in enumerate(works(options.examples.resolve(), Path(scratch))):
            if not options.only or work.name in options.only:
                disturb(work, Path(scratch), options.kills, np.random.default_rng([options.seed, number]))


def works(examples: Path, scratch: Path) -> list[Work]:
    """The works, and what they read."""
    spectra, config = scratch / "in", scratch / "config.toml"
    spectra.mkdir()
    for k, path in zip(range(FILES), sorted(examples.glob("*.pha")) * FILES, strict=False):
        (spectra / f"{k}.pha").symlink_to(path)
    rmf, arf = next(examples.glob("*.rmf.gz")), next(examples.glob("*.arf"))
    text = CONFIG.read_text().replace("../../../examples/maxi_j1820", str(examples)).partition("[real_stage]")[0]
    for key, value in SMALL.items():
        text = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", text)
    config.write_text(re.sub(r"(?m)^restarts = .*", "", text))

    def infer(folder: Path, jobs: int) -> list[str]:
        files = [
            "--table",
            f"{folder}/t.fits",
            "--output",
            f"{folder}/{{stem}}.npz",
            "--output",
            f"{folder}/{{stem}}.csv",
        ]
        given = ["--rmf", str(rmf), "--arf", str(arf), "--samples", "500", "--jobs", str(jobs), "--quiet"]
        return ["infer", str(spectra), *files, *given]

    def export(folder: Path) -> list[str]:
        run = scratch / "run"
        if not run.exists():
            ended(begun(["train", str(config), "--output", str(run)], scratch), scratch)
        return ["export", str(run), "--output", str(folder / "bundle"), "--no-coreml"]  # whose packages take minutes

    return [
        Work("batch", partial(infer, jobs=1)),
        Work("batch of two processes", partial(infer, jobs=2)),
        Work("training", lambda folder: ["train", str(config), "--output", str(folder / "run")]),
        Work("export", export),
    ]


def disturb(work: Work, scratch: Path, kills: int, rng: np.random.Generator) -> None:
    """Kill a work so many times; compare each end with an undisturbed one."""
    expected = scratch / "expected"
    expected.mkdir()
    arguments = work.arguments(expected)
    started = time.monotonic()
    ended(begun(arguments, scratch), scratch)
    usual, wanted = time.monotonic() - started, contents(expected)
    shutil.rmtree(expected)
    folder, killed, resumed, ends = expected, 0, 0, 0  # the same path: outputs record it
    folder.mkdir()
    while killed < kills:
        fresh, started = not any(folder.iterdir()), time.monotonic()
        resumed += not fresh
        moment = math.inf if rng.random() < UNDISTURBED else rng.uniform(0, usual)
        if stopped(begun(arguments, scratch), moment, scratch):
            killed += 1
        elif fresh:
            usual = time.monotonic() - started  # of the latest: other work on the machine comes and goes
        found = contents(folder)
        if killed_or_done(folder, found, wanted):
            ends += 1
            compare(work.name, found, wanted)
            shutil.rmtree(folder)
            folder.mkdir()
    shutil.rmtree(folder)
    print(
        f"{work.name}: {killed} kills within some {usual:.1f} s, {resumed} runs went on from others, {ends} ends equal",
        flush=True,
    )


def killed_or_done(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the work has come to its end: all files are there, and nothing unfinished."""
    left = [p for p in folder.rglob("*") if p.name.endswith(UNFINISHED) or p.name.startswith(".")]
    return found.keys() >= wanted.keys() and not left


def begun(arguments: list[str], scratch: Path) -> int:
    """The process that runs the command; what it says is in a file of `scratch`."""
    process = os.fork()
    if process:
        return process
    said = os.open(scratch / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        app(arguments, standalone_mode=False)
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def ended(process: int, scratch: Path) -> None:
    """Wait for a process that must succeed."""
    if stopped(process, math.inf, scratch):
        raise SystemExit("a run was killed, and not by this benchmark")


def stopped(process: int, seconds: float, scratch: Path) -> bool:
    """Kill a process after so many seconds unless it has ended; whether it was killed. A failure ends the benchmark."""
    moment, found, status = time.monotonic() + seconds, 0, 0
    while not found and time.monotonic() < moment:
        time.sleep(0.01)
        found, status = os.waitpid(process, os.WNOHANG)
    if not found:
        os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run has failed:\n{(scratch / SAID).read_text()}")
    return os.WIFSIGNALED(status)


def contents(folder: Path) -> dict[str, Any]:
    """What each finished file holds, by its name; whatever reads it raises where it is torn."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.name.endswith(UNFINISHED) and not name.startswith("."):
            found[name] = content(path)
        if path.name == MANIFEST_FILE and not name.startswith("."):
            load_bundle(path.parent)
    return found


def content(path: Path) -> Any:
    """A file's bytes, once it has been read as what it is; those of a posterior without its seconds."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            members = {name: arrays[name] for name in arrays.files}
        if "state" in members:
            members["state"] = json.dumps(json.loads(str(members["state"])) | {"seconds": 0})
        return {name: np.asarray(array).tobytes() for name, array in members.items()}
    if path.suffix == ".fits":
        Table.read(path)
    elif path.suffix == ".safetensors":
        load_file(path)
    elif path.suffix == ".toml":
        tomllib.loads(path.read_text())
    elif path.suffix == ".json":
        json.loads(path.read_text())
    return path.read_bytes()


def compare(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Stop where a file differs; a training run's record of its hours, and the checkpoint that has it too, may."""
    free = ("provenance.json", "checkpoint.safetensors")
    if different := [file for file in wanted if not file.endswith(free) and found[file] != wanted[file]]:
        raise SystemExit(f"{name}: differs from an undisturbed run: {', '.join(different)}")


if __name__ == "__main__":
    main()
