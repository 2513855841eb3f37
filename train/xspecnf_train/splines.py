"""Monotonic rational-quadratic splines with linear tails (Durkan et al. 2019, arXiv:1906.04032), free of masks.

On [-b, b] the spline passes through K + 1 knots (x_k, y_k) with slopes d_k; outside it is the identity. In bin k, with width w,
height h, delta = h/w, t = (x - x_k)/w and p = t (1 - t),

    y = y_k + h (delta t^2 + d_k p) / (delta + (d_k + d_{k+1} - 2 delta) p).

The numbers are those of nflows.transforms.splines, parameters and minima included.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

MIN_BIN = 1e-3
"""Smallest bin width and height, as fractions of the interval."""

MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""

TAIL_LOGIT = math.log(math.exp(1 - MIN_SLOPE) - 1)
"""The unnormalised slope that makes the slope one, as in the tails."""


def rational_quadratic(x: Tensor, parameters: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Map `x` [...] by the splines of `parameters` [..., 3K - 1]; returns y and ln dy/dx, both [...].

    parameters: K unnormalised widths, K unnormalised heights, K - 1 unnormalised slopes at the inner knots.
    """
    bins = (parameters.shape[-1] + 1) // 3
    inside = x.clamp(-bound, bound)
    sizes, knots = _bins(parameters[..., : 2 * bins].unflatten(-1, (2, bins)), bound)
    index = (inside[..., None] >= knots[..., 0, 1:]).sum(dim=-1, keepdim=True)
    (width, height), (left, bottom) = _pick(sizes, index), _pick(knots, index)
    slope, next_slope = _slopes(parameters[..., 2 * bins :], index)

    delta = height / width
    t = (inside - left) / width
    p = t * (1 - t)
    curvature = slope + next_slope - 2 * delta
    denominator = delta + curvature * p
    y = bottom + height * (delta * t.square() + slope * p) / denominator
    numerator = delta.square() * (next_slope * t.square() + 2 * delta * p + slope * (1 - t).square())
    # At a bound the slope is one, so clamping leaves the tails a log-slope of zero.
    return y + (x - inside), numerator.log() - 2 * denominator.log()


def _bins(logits: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Sizes and lower knots, both [..., 2, K], of the bins along x and y."""
    bins = logits.shape[-1]
    sizes = 2 * bound * (MIN_BIN + (1 - MIN_BIN * bins) * logits.softmax(dim=-1))
    return sizes, functional.pad(sizes[..., :-1].cumsum(dim=-1), (1, 0)) - bound


def _pick(table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The two entries [...] of `table` [..., 2, K] at `index` [..., 1]."""
    picked = table.gather(-1, index[..., None, :].expand(*table.shape[:-1], 1))[..., 0]
    return picked[..., 0], picked[..., 1]


def _slopes(logits: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes [...] at the two knots of the bin at `index` [..., 1]; one at the outermost knots."""
    padded = functional.pad(logits, (1, 1), value=TAIL_LOGIT)
    slopes = MIN_SLOPE + functional.softplus(padded.gather(-1, torch.cat([index, index + 1], dim=-1)))
    return slopes[..., 0], slopes[..., 1]
