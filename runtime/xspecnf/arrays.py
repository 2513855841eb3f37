"""The few array operations that numpy and torch share, so that the physics is written once.

Both libraries answer to the same names (exp, where, clip, ...) and to the same keywords (axis); all that has to be chosen is which
of the two a formula calls, and where its constant tables live.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor


def namespace(x: Array) -> ModuleType:
    """numpy or torch, whichever `x` belongs to; torch is never imported on a user's behalf."""
    return sys.modules["torch"] if type(x).__module__.startswith("torch") else np


def like(constant: np.ndarray, x: Array) -> Array:
    """`constant` as an array of the library, floating type and device of `x`; integers keep their type."""
    if namespace(x) is np:
        return constant if constant.dtype.kind == "i" else constant.astype(x.dtype, copy=False)
    import torch

    tensor = torch.from_numpy(constant)
    return tensor.to(x.device) if constant.dtype.kind == "i" else tensor.to(x)


def lagrange_weights(t: Array) -> list[Array]:
    """Weights of the four-point Lagrange polynomial with nodes 0, 1, 2, 3 at the position t."""
    a, b, c = t - 1, t - 2, t - 3
    return [-a * b * c / 6, t * b * c / 2, -t * a * c / 2, t * a * b / 6]


def stencil(position: Array, size: int) -> tuple[Array, list[Array]]:
    """First node and weights of the cubic stencil around a fractional `position` on a table of `size` nodes.

    At the ends the stencil stays inside the table; positions outside it are extrapolated by the same cubic.
    """
    xp = namespace(position)
    first = xp.clip(xp.floor(position) - 1, 0, size - 4)
    weights = lagrange_weights(position - first)
    return (first.astype(np.int64) if xp is np else first.long()), weights


@lru_cache(maxsize=64)
def log_edges(low: float, high: float, bins: int) -> np.ndarray:
    """`bins` + 1 logarithmically spaced energies [keV]."""
    return np.geomspace(low, high, bins + 1)
