"""Simulated backgrounds: expected counts, and what an observer's background file says of them.

Without a file the background is NICER's: a soft power law, a flat particle part and a noise peak at the lowest
energies, known from a model with a fractional error. With a file its shape is the file's, tilted at random, and what
the observer has are Poisson counts of a region beside the source.
"""

from collections.abc import Sequence

import numpy as np

from xspecnf.grid import Grid

TILT = 0.3
"""Standard deviation of the power of energy by which the background of one observation differs from the file's."""


def nicer_shapes(grid: Grid, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, bins) shares of the background's counts, each row of sum 1."""
    weights = rng.dirichlet([4, 2, 0.5], size)
    index = rng.normal(1.2, 0.25, size)[:, None]
    energy = grid.energy[None]
    parts = ((energy / energy[:, :1]) ** -index, np.ones((1, grid.bins)), np.exp(-(energy - 0.3) / 0.05))
    return np.sum([w[:, None] * _shares(p * grid.width) for w, p in zip(weights.T, parts, strict=True)], axis=0)


def tilted_shapes(shape: Sequence[float], grid: Grid, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, bins) shares of the background's counts around those of a file, `shape` (bins,)."""
    tilt = rng.normal(0, TILT, size)[:, None]
    return _shares(np.asarray(shape) * (grid.energy / np.median(grid.energy)) ** tilt)


def modelled(expected: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A modelled background (B, bins) and its error: a share of the Poisson error of `expected`, as long blank-sky
    exposures have, joined with a fractional one.
    """
    size = len(expected)
    background = expected * rng.lognormal(0, 0.05, expected.shape)
    poisson_share, fraction = log_uniform(rng, (0.03, 1.0), size), log_uniform(rng, (0.01, 0.15), size)
    return background, np.sqrt(poisson_share[:, None] * background + (fraction[:, None] * background) ** 2)


def measured_beside(
    expected: np.ndarray, ratio: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A background (B, bins) and its error from a region that the source's is `ratio` times as large as."""
    scale = log_uniform(rng, ratio, len(expected))[:, None]
    counts = rng.poisson(expected / scale)
    return scale * counts, scale * np.sqrt(counts)


def log_uniform(rng: np.random.Generator, interval: tuple[float, float], size: int) -> np.ndarray:
    """(size,) numbers, uniform in their logarithm."""
    return np.exp(rng.uniform(np.log(interval[0]), np.log(interval[1]), size))


def _shares(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=1, keepdims=True)
