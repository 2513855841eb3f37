"""How time and memory grow with spectra, samples and files: `OMP_NUM_THREADS=1 python benchmarks/scaling.py [MODEL]`.

Two tables in Markdown. The first: `Model.sample`, each row in a process of its own: wall and CPU seconds (of the
sampling, observations in memory), CPU microseconds a sample, peak memory of the process. Cost is linear where the last
column of times stands still. The second, with `--files PHA...`, which are taken again and again to make up the number:
`Model.infer_many` in one process, held on one core and free to draw in a second thread, and on two others, their start
included: wall seconds, CPU seconds of the process and of its workers, peak memory of the process and of the largest
worker. What two processes gain over one core is printed below it, of each of `--rounds` and their median: a machine
that others share changes its speed between one row and the next.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

from population import Seconds, population, timed

from xspecnf import Failure, load_model

Result = TypeVar("Result")

SPECTRA = (1, 10, 100, 1000, 20_000)
SAMPLES = (1, 10, 100, 1000, 10_000, 100_000)
DISTINCT = 200
"""Spectra that are simulated; where more are asked for they come again."""

PROCESSES = 2
MEGABYTE = 1024 if sys.platform != "darwin" else 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory against spectra, samples and files.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, nargs="*", default=SPECTRA, help="how many, with one sample of each")
    parser.add_argument("--samples", type=int, nargs="*", default=SAMPLES, help="how many, of one spectrum")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="PHA files for `infer_many`")
    parser.add_argument("--numbers", type=int, nargs="*", default=[100, 2160], help="of files")
    parser.add_argument("--rounds", type=int, default=1, help="how often each number of files is done")
    options = parser.parse_args()
    sizes = [(n, 1) for n in options.spectra] + [(1, n) for n in options.samples if n > 1]
    if sizes:
        print("| spectra | samples | s | CPU s | us CPU a sample | peak MB |\n|---|---|---|---|---|---|")
    for spectra, samples in sizes:
        took, peak = alone(partial(sampled, options.model, spectra, samples, options.threads))
        per_sample = 1e6 * took.cpu / (spectra * samples)
        print(
            f"| {spectra} | {samples} | {took.wall:.3f} | {took.cpu:.3f} | {per_sample:.1f} | {peak:.0f} |", flush=True
        )
    if options.files:
        print("\n| files | processes | s | CPU s | of workers | peak MB | of a worker |\n|---|---|---|---|---|---|---|")
        gains = {n: [by_file(options.model, options.files, n) for _ in range(options.rounds)] for n in options.numbers}
        for number, gain in gains.items():
            each = f"{', '.join(f'{one:.2f}' for one in gain)}; median {median(gain):.2f}"
            print(f"\nSpeed-up of {PROCESSES} processes over one core, {number} files: {each}")


def alone(work: Callable[[], Result]) -> tuple[Result, float]:
    """Run in a fresh process; also its peak memory [MB]."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(_with_peak, work).result()


def _with_peak(work: Callable[[], Result]) -> tuple[Result, float]:
    return work(), _peak(resource.RUSAGE_SELF)


def _peak(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss / MEGABYTE


def sampled(name: str, spectra: int, samples: int, threads: int) -> Seconds:
    """What samples of some spectra cost."""
    model = load_model(name, "cpu")
    observations = population(model, min(spectra, DISTINCT))
    list(model.sample(observations[:1], 1, threads=1))  # opens the graphs

    def work() -> None:
        for _ in model.sample(islice(cycle(observations), spectra), samples, threads=threads):
            pass

    return timed(work)


def by_file(name: str, files: Sequence[Path], number: int) -> float:
    """Rows of the second table for a number of files; returns the speed-up of several processes over one core."""
    paths = [str(path) for path in islice(cycle(files), number)]
    took = []
    for cores, work in (("1", partial(inferred, name, paths)), ("1, on one core", partial(on_one_core, name, paths))):
        here, peak = alone(work)
        print(f"| {number} | {cores} | {here.wall:.1f} | {here.cpu:.1f} | | {peak:.0f} | |", flush=True)
        took.append(here.wall)
    (there, workers, worker), peak = alone(partial(shared_out, name, paths))
    times = f"{there.wall:.1f} | {there.cpu:.1f} | {workers:.1f}"
    print(f"| {number} | {PROCESSES} | {times} | {peak:.0f} | {worker:.0f} |", flush=True)
    _, one_core = took
    return one_core / there.wall


def inferred(name: str, paths: Sequence[str], executor: Executor | None = None) -> Seconds:
    """What inferring files costs."""
    model = load_model(name, "cpu")

    def work() -> None:
        for result in model.infer_many(paths, executor=executor):
            if isinstance(result, Failure):
                raise result.error

    return timed(work)


def on_one_core(name: str, paths: Sequence[str]) -> Seconds:
    """The same by a process that is held on one core, as Linux can."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return inferred(name, paths)


def shared_out(name: str, paths: Sequence[str]) -> tuple[Seconds, float, float]:
    """The same on several processes, their start included; CPU seconds of all and peak memory [MB] of the largest."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as executor:
        took = inferred(name, paths, executor)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, used.ru_utime + used.ru_stime, _peak(resource.RUSAGE_CHILDREN)


if __name__ == "__main__":
    main()
