"""Time and accuracy of the exact physics: `OMP_NUM_THREADS=1 python benchmarks/physics.py [--oracle ORACLE.npz]`.

Times 1000 parameter sets drawn from the prior, folded through the response of an example, beside the rate of a matrix
product, by which machines can be compared; with the oracle's spectra, says how far the photons are from them. Prints
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from xspecnf import read_observation
from xspecnf.parameters import from_unit
from xspecnf.physics import MODEL_EDGES, expected_counts, photons

ROOT = Path(__file__).parents[1]
SETS = 1000
BAND = (0.2, 12.0)  # keV
MATTERS = 1e-9  # of the brightest bin: fainter ones are emptied by absorption


def milliseconds(function: Callable[[], object], repeats: int) -> dict[str, float]:
    """Least and median wall-clock time of a call, after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return {"min_ms": round(min(times), 1), "median_ms": round(median(times), 1)}


def timings(repeats: int) -> dict[str, object]:
    """Of photons, of expected counts and of the matrix product, all of SETS parameter sets."""
    obs = read_observation(ROOT / "examples" / "maxi_j1820" / "1200120106.pha")
    theta = from_unit(np.random.default_rng(0).random((SETS, 5)))
    single = theta.astype(np.float32)
    square = np.random.default_rng(0).random((1000, 1000))
    gemm = milliseconds(lambda: square @ square, repeats)
    return {
        "expected_counts": milliseconds(lambda: expected_counts(theta, obs), repeats),
        "photons_float64": milliseconds(lambda: photons(theta, MODEL_EDGES), repeats),
        "photons_float32": milliseconds(lambda: photons(single, MODEL_EDGES), repeats),
        "gemm_gflops": round(2 * 1000**3 / gemm["min_ms"] / 1e6, 1),
    }


def accuracy(oracle: Path) -> dict[str, float]:
    """Fractional deviations from the oracle's photons in the bins of BAND that matter."""
    with np.load(oracle, allow_pickle=False) as arrays:
        edges, theta, truth = arrays["edges"], arrays["params"], arrays["photons_nthcomp"]
    band = (edges[:-1] > BAND[0]) & (edges[1:] < BAND[1])
    found, truth = photons(theta, edges)[:, band], truth[:, band]
    matters = truth > MATTERS * truth.max(axis=1, keepdims=True)
    error = np.abs(found[matters] / truth[matters] - 1)
    return {"median": float(np.median(error)), "p99": float(np.quantile(error, 0.99)), "max": float(error.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and accuracy of the exact physics.")
    default = ROOT.parent / "shared" / "data" / "physics" / "oracle_cases.npz"
    parser.add_argument("--oracle", type=Path, default=default, help="spectra to compare with, where they are present")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    result: dict[str, object] = {"parameter_sets": SETS, **timings(arguments.repeats)}
    if arguments.oracle.exists():
        result["deviation_from_oracle"] = accuracy(arguments.oracle)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
