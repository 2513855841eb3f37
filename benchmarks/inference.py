"""How long one spectrum takes, stage by stage, on one core; beside a matrix product that says how fast the machine is.

OMP_NUM_THREADS=1 python benchmarks/inference.py [--model BUNDLE] [--samples 1000]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

import xspecnf
from xspecnf.features import features
from xspecnf.statistics import log_likelihood

EXAMPLE = Path(__file__).parents[1] / "examples" / "maxi_j1820" / "1200120106.pha"


def milliseconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Median wall time of `work` after two warm-up calls."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times[2:])


def main() -> None:
    """Print one line a stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nicer-bhb")
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()

    model = xspecnf.load_model(options.model)
    obs = xspecnf.read_observation(EXAMPLE)
    posterior = model.infer(obs, options.samples)
    spectrum = features(obs)[None]
    context = model.backend.encode(spectrum)
    noise = np.random.default_rng(0).standard_normal((1, options.samples, 5), dtype=np.float32)
    counts = model.expected_counts(posterior.theta, obs)
    square = np.random.default_rng(0).random((1000, 1000), dtype=np.float32)

    rows = {
        "read the spectrum (response cached)": lambda: xspecnf.read_observation(EXAMPLE),
        "features": lambda: features(obs),
        "encoder": lambda: model.backend.encode(spectrum),
        f"flow, {options.samples} samples": lambda: model.backend.sample(context, noise),
        f"exact physics, {options.samples} parameter sets": lambda: model.expected_counts(posterior.theta, obs),
        f"exact likelihood, {options.samples} parameter sets": lambda: log_likelihood(counts, obs),
        "infer": lambda: model.infer(obs, options.samples),
        "infer, refined": lambda: model.infer(obs, options.samples, refine=True),
    }
    for name, work in rows.items():
        print(f"{name:45} {milliseconds(work):9.2f} ms")
    command = [sys.executable, "-m", "xspecnf_cli", "infer", str(EXAMPLE), "--model", options.model]
    run = milliseconds(lambda: subprocess.run(command, check=True, capture_output=True), repeats=3)
    print(f"{'the command, start to exit':45} {run:9.2f} ms")
    print(f"{'sgemm of 1000 x 1000, GFLOP/s':45} {2e9 / (milliseconds(lambda: square @ square) * 1e6):9.1f}")


if __name__ == "__main__":
    main()
