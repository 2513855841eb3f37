"""Runs of neighbouring bins, in whose sums a line, an edge or a soft source shows that no single bin does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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


def significance(counts: Any, background: Any, background_error: Any) -> Any:
    """Net counts over their noise, of numbers or of arrays alike."""
    return (counts - background) / (counts + (counts == 0) + background_error**2) ** 0.5


def signal(obs: Observation) -> tuple[float, float]:
    """The source's significance in the sum of the good bins, and the largest in any of WINDOWS or that sum."""
    counts, background, variance = (obs.good * x for x in (obs.counts, obs.background, obs.background_error**2))
    whole = float(significance(counts.sum(), background.sum(), variance.sum() ** 0.5))
    sums = zip(*(window_sums(values) for values in (counts, background, variance)), strict=True)
    return whole, max(whole, *(float(significance(s, b, v**0.5).max()) for s, b, v in sums))
