"""The operations of CoreML programs that our networks convert to, in numpy: arguments and names as in coremltools'
documentation of MIL.

What an operation computes is floating or integer as its first argument is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]

CASTS = {"fp16": np.float16, "fp32": np.float32, "int32": np.int32, "bool": np.bool_}
_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    """The error function, elementwise."""
    return np.asarray(_erf(x), dtype=x.dtype)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * x))).astype(x.dtype)


def gelu(x: Array, mode: str) -> Array:
    """x Phi(x)."""
    if mode != "EXACT":
        raise ValueError(f"gelu of mode {mode!r}; only EXACT is known")
    return (0.5 * x * (1 + erf(x * math.sqrt(0.5)))).astype(x.dtype)


def matmul(x: Array, y: Array, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """Matrix product over the last two axes."""
    return (x.swapaxes(-1, -2) if transpose_x else x) @ (y.swapaxes(-1, -2) if transpose_y else y)


def conv(
    x: Array,
    weight: Array,
    bias: Array,
    strides: Array,
    pad_type: str,
    pad: Array,
    dilations: Array,
    groups: Array,
) -> Array:
    """Convolution along one axis: x [B, C, L], weight [D, C, W]."""
    if pad_type != "custom" or groups != 1 or np.any(dilations != 1) or x.ndim != 3:
        raise ValueError("only one-dimensional convolutions of one group and dilation 1 are known")
    padded = np.pad(x, ((0, 0), (0, 0), tuple(pad)))
    windows = sliding_window_view(padded, weight.shape[2], axis=2)[:, :, :: strides[0]]
    return np.einsum("bclw,dcw->bdl", windows, weight, optimize=True) + bias[:, None]


def split(x: Array, axis: Array, split_sizes: Array | None = None, num_splits: Array | None = None) -> list[Array]:
    """Parts of the sizes given, or so many equal ones."""
    return np.split(x, np.cumsum(split_sizes)[:-1] if split_sizes is not None else int(num_splits), axis=int(axis))  # type: ignore[arg-type]


def concat(values: Sequence[Array], axis: Array, interleave: Array) -> Array:
    """Tensors one after another; numbers count as tensors of one."""
    if interleave:
        raise ValueError("interleaved concatenation is not known")
    return np.concatenate([np.atleast_1d(value) for value in values], axis=int(axis))


def slice_by_index(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """Python's slices; a mask says where an end is open, or an axis is dropped for its one index."""
    none = np.zeros(x.ndim, dtype=bool)
    open_begin, open_end, squeeze = (none if m is None else m for m in (begin_mask, end_mask, squeeze_mask))
    steps = np.ones(x.ndim, dtype=int) if stride is None else stride
    index = [
        int(begin[k])
        if squeeze[k]
        else slice(None if open_begin[k] else int(begin[k]), None if open_end[k] else int(end[k]), int(steps[k]))
        for k in range(x.ndim)
    ]
    return x[tuple(index)]


def gather(x: Array, indices: Array, axis: Array, batch_dims: Array, validate_indices: bool = False) -> Array:
    """x at the indices along one axis."""
    if batch_dims != 0:
        raise ValueError("gather of batches is not known")
    return np.take(x, indices, axis=int(axis))


def gather_along_axis(x: Array, indices: Array, axis: Array, validate_indices: bool = False) -> Array:
    """Of each line of x along one axis, its numbers at that line's indices."""
    return np.take_along_axis(x, indices, axis=int(axis))


def scatter(
    data: Array, indices: Array, updates: Array, axis: Array, mode: str, validate_indices: bool = False
) -> Array:
    """A copy of `data` with `updates` added at the indices along one axis."""
    if mode != "add":
        raise ValueError(f"scatter of mode {mode!r}; only add is known")
    result = np.moveaxis(data.copy(), int(axis), 0)
    np.add.at(result, indices, np.moveaxis(updates, int(axis), 0))
    return np.moveaxis(result, 0, int(axis))


def expand_dims(x: Array, axes: Array) -> Array:
    """New axes of size one."""
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "cast": lambda x, dtype: x.astype(CASTS[dtype]),
    "clip": lambda x, alpha, beta: np.clip(x, alpha, beta),
    "concat": concat,
    "conv": conv,
    "erf": erf,
    "exp": lambda x: np.exp(x),
    "expand_dims": expand_dims,
    "fill": lambda shape, value: np.full(shape, value),
    "fill_like": lambda ref_tensor, value: np.full(ref_tensor.shape, value),
    "gather": gather,
    "gather_along_axis": gather_along_axis,
    "gelu": gelu,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "linear": lambda x, weight, bias: x @ weight.T + bias,
    "log": lambda x, epsilon: np.log(x + epsilon),
    "matmul": matmul,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "reduce_mean": lambda x, axes, keep_dims: x.mean(axis=tuple(axes), keepdims=bool(keep_dims)),
    "reduce_sum": lambda x, axes, keep_dims: x.sum(axis=tuple(axes), keepdims=bool(keep_dims)),
    "relu": lambda x: np.maximum(x, 0),
    "reshape": lambda x, shape: x.reshape(shape),
    "reverse": lambda x, axes: np.flip(x, tuple(axes)),
    "scatter": scatter,
    "shape": lambda x: np.array(x.shape, dtype=np.int32),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "slice_by_index": slice_by_index,
    "split": split,
    "sqrt": lambda x: np.sqrt(x),
    "squeeze": lambda x, axes: np.squeeze(x, tuple(axes)),
    "sub": lambda x, y: x - y,
    "tanh": lambda x: np.tanh(x),
    "transpose": lambda x, perm: x.transpose(perm),
}
"""By type. Constants and loops belong to the program: `mil.py`."""
