"""The few array operations that numpy and torch share, so that the physics is written once.

Both libraries answer to the same names (exp, where, clip, ...) and to the same keywords (axis); all that has to be
chosen is which of the two a formula calls, and where its constant tables live.
"""

import sys
from collections.abc import Callable
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

    tensor = torch.tensor(constant)  # a copy: a response's matrix is read-only, which torch does not know
    return tensor.to(x.device) if constant.dtype.kind == "i" else tensor.to(x)


def table_like(make: Callable[[], np.ndarray], x: Array) -> Array:
    """The table that `make` returns, as :func:`like` gives it; converted once for each type and device."""
    return _converted(make, namespace(x), x.dtype, getattr(x, "device", None))


def table_windows(make: Callable[[], np.ndarray], x: Array, size: int) -> Array:
    """All runs of `size` neighbours along the last axis of that table, (..., m - size + 1, size) of (..., m)."""
    return _windows(make, namespace(x), x.dtype, getattr(x, "device", None), size)


@lru_cache(maxsize=16)
def _windows(make: Callable[[], np.ndarray], xp: ModuleType, dtype: Any, device: Any, size: int) -> Array:
    table = _converted(make, xp, dtype, device)
    if xp is np:
        return np.lib.stride_tricks.sliding_window_view(table, size, axis=-1)
    return table.unfold(-1, size, 1)


@lru_cache(maxsize=16)
def _converted(make: Callable[[], np.ndarray], xp: ModuleType, dtype: Any, device: Any) -> Array:
    return like(make(), np.empty(0, dtype) if xp is np else xp.empty(0, dtype=dtype, device=device))


def as_index(x: Array) -> Array:
    """Whole numbers of floating type as integers."""
    return x.astype(np.int64) if namespace(x) is np else x.long()


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
    return as_index(first), weights
