"""Each operation of the numpy interpreter against torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from xspecnf_export.mil_operations import OPERATIONS

A, B = (torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in (0, 1))
TIED = B.clamp(max=0) + A.clamp(min=0)
KERNEL, BIAS = B[:, :, :3].repeat(2, 1, 1), torch.arange(4, dtype=torch.float64)
PICKED = (9 * A[:, :2]).long() % 3
FIRST, STEPS = np.array([True, False, False]), np.array([1, 2, 3])


def scattered() -> Tensor:
    return A.index_add(1, torch.tensor([2, 0]), B[:, :2])


CASES: dict[str, list[tuple[dict[str, Any], Callable[[], Tensor]]]] = {
    "add": [({"x": A, "y": B}, lambda: A + B)],
    "cast": [
        ({"x": A > 0, "dtype": "fp32"}, lambda: (A > 0).float()),
        ({"x": A, "dtype": "int32"}, lambda: A.int()),
    ],
    "clip": [({"x": A, "alpha": -0.5, "beta": 0.2}, lambda: A.clamp(-0.5, 0.2))],
    "concat": [
        ({"values": [A, B], "axis": 1, "interleave": False}, lambda: torch.cat([A, B], 1)),
        ({"values": [2, np.array([3])], "axis": 0, "interleave": False}, lambda: torch.tensor([2, 3])),
    ],
    "conv": [
        (
            {
                "x": A,
                "weight": KERNEL,
                "bias": BIAS,
                "strides": np.array([stride]),
                "pad_type": "custom",
                "pad": np.array([2, 2]),
                "dilations": np.array([1]),
                "groups": np.array(1),
            },
            lambda stride=stride: functional.conv1d(A, KERNEL, BIAS, stride=stride, padding=2),
        )
        for stride in (1, 2, 3)
    ],
    "erf": [({"x": A}, lambda: torch.erf(A))],
    "exp": [({"x": A}, lambda: A.exp())],
    "expand_dims": [({"x": A, "axes": np.array([0, 2])}, lambda: A[None, :, None])],
    "fill": [({"shape": np.array([2, 5]), "value": 1.5}, lambda: torch.full((2, 5), 1.5, dtype=torch.float64))],
    "fill_like": [({"ref_tensor": A, "value": 1.0}, lambda: torch.ones_like(A))],
    "gather": [
        ({"x": A, "indices": np.array([2, 0]), "axis": 1, "batch_dims": 0}, lambda: A[:, [2, 0]]),
        ({"x": A, "indices": np.array(1), "axis": 0, "batch_dims": 0}, lambda: A[1]),
    ],
    "gather_along_axis": [({"x": A, "indices": PICKED, "axis": 1}, lambda: A.gather(1, PICKED))],
    "gelu": [({"x": A, "mode": "EXACT"}, lambda: functional.gelu(A))],
    "greater_equal": [({"x": A, "y": TIED}, lambda: torch.ge(A, TIED))],
    "less": [({"x": A, "y": TIED}, lambda: torch.lt(A, TIED))],
    "less_equal": [({"x": A, "y": TIED}, lambda: torch.le(A, TIED))],
    "linear": [({"x": A, "weight": B[0], "bias": B[0, :, 0]}, lambda: functional.linear(A, B[0], B[0, :, 0]))],
    "log": [({"x": A.abs(), "epsilon": 1e-3}, lambda: (A.abs() + 1e-3).log())],
    "matmul": [
        ({"x": A, "y": B, "transpose_x": True, "transpose_y": False}, lambda: A.mT @ B),
        ({"x": A[0], "y": B, "transpose_x": False, "transpose_y": True}, lambda: A[0] @ B.mT),
    ],
    "mul": [({"x": A, "y": B[:, :1]}, lambda: A * B[:, :1])],
    "real_div": [({"x": A, "y": B}, lambda: A / B)],
    "reduce_mean": [({"x": A, "axes": [1], "keep_dims": False}, lambda: A.mean(1))],
    "reduce_sum": [({"x": A, "axes": [0, 2], "keep_dims": True}, lambda: A.sum((0, 2), keepdim=True))],
    "relu": [({"x": A}, lambda: A.relu())],
    "reshape": [({"x": A, "shape": np.array([4, 6])}, lambda: A.reshape(4, 6))],
    "reverse": [({"x": A, "axes": np.array([1])}, lambda: A.flip(1))],
    "scatter": [
        ({"data": A, "indices": np.array([2, 0]), "updates": B[:, :2], "axis": 1, "mode": "add"}, scattered),
    ],
    "shape": [({"x": A}, lambda: torch.tensor(A.shape))],
    "sigmoid": [({"x": 9 * A}, lambda: (9 * A).sigmoid())],
    "silu": [({"x": A}, lambda: functional.silu(A))],
    "slice_by_index": [
        ({"x": A, "begin": [0, -2, 1], "end": [0, 3, 3], "end_mask": FIRST}, lambda: A[:, -2:, 1:3]),
        (
            {"x": A, "begin": STEPS - 1, "end": [2, 3, 4], "stride": STEPS, "squeeze_mask": FIRST},
            lambda: A[0, 1::2, 2::3],
        ),
        ({"x": A, "begin": [9, 0, 0], "end": [1, 1, 4], "begin_mask": FIRST}, lambda: A[:1, :1]),
    ],
    "split": [
        ({"x": A, "axis": 2, "num_splits": 2}, lambda: torch.stack(A.split(2, 2))),
        ({"x": A, "axis": 1, "split_sizes": np.array([2, 1])}, lambda: A.split([2, 1], 1)),
    ],
    "sqrt": [({"x": A.abs()}, lambda: A.abs().sqrt())],
    "squeeze": [({"x": A[:, :1], "axes": np.array([1])}, lambda: A[:, 0])],
    "sub": [({"x": A, "y": B}, lambda: A - B)],
    "tanh": [({"x": A}, lambda: A.tanh())],
    "transpose": [({"x": A, "perm": [2, 0, 1]}, lambda: A.permute(2, 0, 1))],
}


def as_numpy(value: Any) -> Any:
    if isinstance(value, list):
        return [as_numpy(item) for item in value]
    return value.numpy() if isinstance(value, Tensor) else value


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(OPERATIONS)


@pytest.mark.parametrize(("name", "arguments", "expected"), [(name, *case) for name in CASES for case in CASES[name]])
def test_operation_is_torchs(name: str, arguments: dict[str, Any], expected: Callable[[], Any]) -> None:
    found = OPERATIONS[name](**{key: as_numpy(value) for key, value in arguments.items()})
    wanted = expected()
    pairs = zip(found, wanted, strict=True) if isinstance(found, list) else [(found, wanted)]
    for part, reference in pairs:
        assert part.shape == tuple(reference.shape)
        assert part.dtype.kind == reference.numpy().dtype.kind
        np.testing.assert_allclose(part, reference.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gelu", {"x": A.numpy(), "mode": "TANH_APPROXIMATION"}),
        ("scatter", {"data": A.numpy(), "indices": 0, "updates": 0, "axis": 0, "mode": "update"}),
        ("gather", {"x": A.numpy(), "indices": 0, "axis": 1, "batch_dims": 1}),
        ("concat", {"values": [A.numpy()], "axis": 0, "interleave": True}),
    ],
)
def test_variants_that_are_not_known_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="known"):
        OPERATIONS[name](**arguments)
