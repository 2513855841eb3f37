"""The standard normal law: from the unit interval to the real line and back.

In z = Phi^-1(u) the uniform prior is a standard normal, and a posterior that piles up at a prior's edge is smooth.

numpy has no Phi. ln Phi is smooth, also where Phi is tiny: between nodes of math.erfc's it is a cubic with the right
slopes, phi/Phi, and right to 2e-11.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

EDGE = 1e-12
"""Nearest that a coordinate comes to an end of the unit interval: |z| < 7.04."""

STEP, LOWEST = 1 / 64, -7.25
_nodes = np.arange(LOWEST, 2 * STEP, STEP)
_ln_phi = np.log([0.5 * math.erfc(-z / math.sqrt(2)) for z in _nodes])
_slope = STEP * np.exp(-0.5 * _nodes**2 - _ln_phi) / math.sqrt(2 * math.pi)

_quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])


def to_normal(u: Float64) -> Float64:
    """Phi^-1(u), any shape; u is held EDGE away from 0 and 1."""
    return _quantile(np.clip(u, EDGE, 1 - EDGE))


def from_normal(z: Float64) -> Float64:
    """Phi(z), any shape; held EDGE away from 0 and 1."""
    z = np.asarray(z, dtype=np.float64)
    position = (np.maximum(-np.abs(z), LOWEST) - LOWEST) / STEP
    k = position.astype(np.intp)
    t = position - k
    rise, first, last = _ln_phi[k + 1] - _ln_phi[k], _slope[k], _slope[k + 1]
    cubic = _ln_phi[k] + t * (first + t * (3 * rise - 2 * first - last + t * (first + last - 2 * rise)))
    tail = np.exp(cubic)
    return np.clip(np.where(z < 0, tail, 1 - tail), EDGE, 1 - EDGE)


def log_normal(z: Float64) -> Float64:
    """ln of the standard normal density: the logarithm of du/dz, elementwise."""
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
