"""Observations for the benchmarks of many spectra, and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit

EXPOSURE = 1000.0  # s
COUNTS = (2.0, 7.0)  # log10 of the fewest and of the most
TRIES = 4  # for one whose norm is inside the prior


@dataclass(frozen=True)
class Seconds:
    """What a piece of work took: wall time, and CPU time of all threads of this process."""

    wall: float
    cpu: float


def timed(work: Callable[[], object], repeats: int = 1) -> Seconds:
    """The fastest of some repeats."""
    found = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append(Seconds(time.perf_counter() - wall, time.process_time() - cpu))
    return Seconds(min(s.wall for s in found), min(s.cpu for s in found))


def sgemm_rate(size: int = 1000) -> float:
    """float32 operations per second of one core in a matrix product."""
    square = np.random.default_rng(0).random((size, size), dtype=np.float32)
    return 2 * size**3 / timed(lambda: square @ square, repeats=9).cpu


def population(model: Model, spectra: int, seed: int = 0) -> list[Observation]:
    """Spectra of parameters from all over the prior, of 100 to 1e7 counts, seen by the model's reference response."""
    rng = np.random.default_rng(seed)
    grid, blank = model.bundle.grid, np.zeros(model.bundle.grid.bins)
    template = Observation(
        name="simulated",
        counts=blank,
        background=blank,
        background_error=blank,
        exposure=EXPOSURE,
        energy_lo=grid.energy_lo,
        energy_hi=grid.energy_hi,
        systematic=blank,
        good=np.ones(grid.bins, dtype=bool),
        response=model.reference_response,
    )
    theta = from_unit(rng.random((TRIES * spectra, 5)))
    shapes = model.expected_counts(theta, template)
    factor = 10 ** rng.uniform(*COUNTS, len(theta)) / shapes.sum(axis=1)
    norm = model.bundle.parameters[4]
    inside = (theta[:, 4] * factor >= norm.low) & (theta[:, 4] * factor <= norm.high)
    expected = (shapes * factor[:, None])[inside][:spectra]
    return [replace(template, counts=rng.poisson(row).astype(float)) for row in expected]
