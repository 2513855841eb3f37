"""The standard normal law: from the unit interval to the real line and back.

In z = Phi^-1(u) the uniform prior is a standard normal, and a posterior that piles up at a prior's edge is smooth.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

EDGE = 1e-12
"""Nearest that a coordinate comes to an end of the unit interval: |z| < 7.04."""

_cdf = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), otypes=[np.float64])
_quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])


def to_normal(u: Float64) -> Float64:
    """Phi^-1(u), any shape; u is held EDGE away from 0 and 1."""
    return _quantile(np.clip(u, EDGE, 1 - EDGE))


def from_normal(z: Float64) -> Float64:
    """Phi(z), any shape; held EDGE away from 0 and 1."""
    return np.clip(_cdf(z), EDGE, 1 - EDGE)


def log_normal(z: Float64) -> Float64:
    """ln of the standard normal density: the logarithm of du/dz, elementwise."""
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
