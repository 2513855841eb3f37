"""Runs of neighbouring bins, in whose sums a line, an edge or a soft source shows that no single bin does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xspecnf.statistics import pgstat_per_bin

if TYPE_CHECKING:
    from xspecnf.observation import Observation

Floats = NDArray[np.floating[Any]]

WINDOWS = (2, 4, 8, 16, 32)
"""Bins, each twice the one before. NICER's resolution is 2-5 of them, an absorption edge or a shelf of the background
tens."""


def window_sums(values: Floats) -> list[Floats]:
    """For each of WINDOWS, the sums (..., bins + 1 - width) of (..., bins) over neighbours: two of the one before."""
    sums = []
    for width in WINDOWS:
        half = width // 2
        values = values[..., :-half] + values[..., half:]
        sums.append(values)
    return sums


def significance(counts: ArrayLike, background: ArrayLike, background_error: ArrayLike) -> Floats:
    """Of counts over a background [standard deviations]: the root of PGSTAT of the background alone, with the sign of
    what is left of it; of a background that is nothing at all, the root of the counts.
    """
    s, b, sigma = (np.asarray(values, dtype=np.float64) for values in (counts, background, background_error))
    alone = pgstat_per_bin(s, np.zeros_like(s), np.maximum(b, 0), sigma, held=True)
    known = (b > 0) | (sigma > 0)
    return np.sign(s - b) * np.sqrt(np.where(known, np.maximum(alone, 0), s))


def signal(obs: Observation) -> tuple[float, float]:
    """The source's significance in the sum of the good bins, and the largest in any of WINDOWS or that sum."""
    counts, background, variance = (obs.good * x for x in (obs.counts, obs.background, obs.background_error**2))
    whole = float(significance(counts.sum(), background.sum(), variance.sum() ** 0.5))
    sums = zip(*(window_sums(values) for values in (counts, background, variance)), strict=True)
    return whole, max(whole, *(float(significance(s, b, v**0.5).max()) for s, b, v in sums))


def background_share(obs: Observation) -> float:
    """The largest share of the counts that are background in any of the longest windows, 1 at most."""
    counts, background = (window_sums(obs.good * x)[-1] for x in (obs.counts, obs.background))
    return float(np.clip(background / np.maximum(counts, 1), 0, 1).max())
