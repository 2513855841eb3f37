"""What one spectrum costs: time of every stage, of the whole and of the command, and peak memory; on one core, beside
the rate of a matrix product, by which machines can be compared:

    OMP_NUM_THREADS=1 python benchmarks/inference.py [--model BUNDLE] [--samples 1000] [--repeats 15]

Times are medians, on the wall's clock and in processor time; the two differ where other programs take turns. "That
fits" is a spectrum simulated at the example's posterior median; the example itself does not fit, and an ascent to the
likelihood's peak makes sure of that before the verdict says so. The libraries' row is a program that does nothing but
import those that the command needs: the part of its time that is not ours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

import xspecnf
from xspecnf import physics
from xspecnf.features import features
from xspecnf.likelihood import log_likelihood
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.posterior import Posterior
from xspecnf.predictive import replicated

EXAMPLE = Path(__file__).parents[1] / "examples" / "maxi_j1820" / "1200120106.pha"
LIBRARIES = "import numpy, onnxruntime, typer._adapters, astropy.io.fits"
WARM_UP = 2
COMMANDS = 5
"""Runs of a program, which takes far longer than a stage."""

Work = Callable[[], object]


def milliseconds(work: Work, repeats: int) -> tuple[float, float]:
    """Median wall and processor time of a call, after WARM_UP others."""
    times = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = zip(*times[WARM_UP:], strict=True)
    return 1e3 * median(wall), 1e3 * median(processor)


def program(*arguments: str) -> tuple[float, float, float]:
    """Median wall and processor time [ms] of Python with these arguments, start to exit, and its peak memory [MB].

    A child's peak is at least its parent's memory: to be called before that grows.
    """
    runs = []
    for _ in range(1 + COMMANDS):
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(arguments)}: failed")
        unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
        processor = usage.ru_utime + usage.ru_stime
        runs.append((1e3 * (time.perf_counter() - start), 1e3 * processor, usage.ru_maxrss * unit / 1e6))
    wall, processor, memory = (median(column) for column in zip(*runs[1:], strict=True))
    return wall, processor, memory


def programs(model: str, samples: int) -> dict[str, tuple[str, ...]]:
    """What is timed from start to exit, by name: arguments of Python."""
    infer = ("-m", "xspecnf_cli", "infer", str(EXAMPLE), "--model", model, "--samples", str(samples))
    return {
        "the libraries' imports alone": ("-c", LIBRARIES),
        "`xspecnf infer`, the example, not refined": (*infer, "--no-refine"),
        "`xspecnf infer`, the example, refined": infer,
    }


def that_fits(posterior: Posterior, obs: Observation, model: Model) -> Observation:
    """A spectrum of the posterior's median, with the observation's exposure, response and systematic error."""
    theta = np.array([[marginal.median for marginal in posterior.summary().values()]])
    counts = replicated(model.expected_counts(theta, obs), obs, np.random.default_rng(0))[0]
    return replace(obs, counts=counts)


def stages(model: Model, samples: int) -> dict[str, Work]:
    """What is timed in this process, by name."""
    obs = xspecnf.read_observation(EXAMPLE)
    posterior = model.infer(obs, samples)
    good = that_fits(posterior, obs, model)
    spectrum = features(obs)[None]
    context = model.backend.encode(spectrum)
    noise = np.random.default_rng(0).standard_normal((1, samples, 5), dtype=np.float32)
    single = posterior.theta.astype(np.float32)
    counts = physics.expected_counts(single, obs)
    return {
        "reading a spectrum and a background": lambda: xspecnf.read_observation(EXAMPLE, background=EXAMPLE),
        "features": lambda: features(obs),
        "encoder": lambda: model.backend.encode(spectrum),
        f"flow, {samples} samples": lambda: model.backend.sample(context, noise),
        f"exact physics, {samples} parameter sets": lambda: model.expected_counts(posterior.theta, obs),
        "the same in single precision": lambda: physics.expected_counts(single, obs),
        f"exact likelihood of {samples} spectra, single precision": lambda: log_likelihood(counts, obs),
        f"inference, {samples} samples, of a spectrum that fits": lambda: model.infer(good, samples),
        "inference, the example": lambda: model.infer(obs, samples),
        "refined, of a spectrum that fits": lambda: model.infer(good, samples, refine=True),
        "refined, the example": lambda: model.infer(obs, samples, refine=True),
    }


def main() -> None:
    """Print one line of Markdown a row."""
    parser = argparse.ArgumentParser(description="Time and memory of one spectrum.")
    parser.add_argument("--model", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    print("| | wall [ms] | processor [ms] | peak memory [MB] |\n| --- | ---: | ---: | ---: |")
    for name, arguments in programs(options.model, options.samples).items():
        wall, processor, memory = program(*arguments)
        print(f"| {name} | {wall:.0f} | {processor:.0f} | {memory:.0f} |", flush=True)
    for name, work in stages(xspecnf.load_model(options.model, "cpu"), options.samples).items():
        wall, processor = milliseconds(work, options.repeats)
        print(f"| {name} | {wall:.2f} | {processor:.2f} | |", flush=True)
    square = np.random.default_rng(0).random((1000, 1000), dtype=np.float32)
    wall, processor = (2e3 / t for t in milliseconds(lambda: square @ square, options.repeats))
    print(f"\nA product of two 1000 x 1000 matrices: {wall:.0f} GFLOP/s, {processor:.0f} in processor time.")


if __name__ == "__main__":
    main()
