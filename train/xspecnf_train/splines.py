"""Monotonic rational-quadratic splines with linear tails (Durkan et al. 2019, arXiv:1906.04032), free of masks.

On [-b, b] the spline passes through K + 1 knots (x_k, y_k) with slopes d_k; outside it is the identity. In bin k, with
width w, height h, delta = h/w, t = (x - x_k)/w and p = t (1 - t),

    y = y_k + h (delta t^2 + d_k p) / (delta + (d_k + d_{k+1} - 2 delta) p).

Its inverse, with q = (y - y_k)/h, s = d_k + d_{k+1} - 2 delta, b = d_k - q s and g = 2 delta q, is

    t = g / (b + r),   r^2 = (b - g)^2 + g (2 delta - g) >= 0,   dx/dy = (delta + s p) / (delta r).

The numbers are those of nflows.transforms.splines, parameters and minima included. Bins are normalised after the one in
hand is picked: with E = exp(logits), knots and sizes times sum(E) are linear in E.
"""

import functools
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
    index, left, width, bottom, height = _bin(inside, parameters[..., : 2 * bins], bound, axis=0)
    slope, next_slope = _slopes(parameters[..., 2 * bins :], index)

    delta = height / width
    t = ((inside - left) / width).clamp(0, 1)  # rounding may leave the bin, and the logarithm with it
    p = t * (1 - t)
    denominator = delta + (slope + next_slope - 2 * delta) * p
    y = bottom + height * (delta * t * t + slope * p) / denominator
    numerator = next_slope * t * t + 2 * delta * p + slope * (1 - t).square()
    # The slope is one at either bound, so what lies outside keeps a log-slope of zero.
    return y + (x - inside), (numerator * (delta / denominator).square()).log()


def inverse_rational_quadratic(y: Tensor, parameters: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Undo :func:`rational_quadratic`: `y` [...], the same parameters; returns x and ln dx/dy, both [...]."""
    bins = (parameters.shape[-1] + 1) // 3
    inside = y.clamp(-bound, bound)
    index, left, width, bottom, height = _bin(inside, parameters[..., : 2 * bins], bound, axis=1)
    slope, next_slope = _slopes(parameters[..., 2 * bins :], index)

    delta = height / width
    q = ((inside - bottom) / height).clamp(0, 1)
    s = slope + next_slope - 2 * delta
    b, g = slope - q * s, 2 * delta * q
    r = ((b - g).square() + g * (2 * delta - g)).sqrt()
    t = (g / (b + r)).clamp(0, 1)
    return left + t * width + (y - inside), ((delta + s * t * (1 - t)) / (delta * r)).log()


def _bin(value: Tensor, logits: Tensor, bound: float, axis: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Index [..., 1] of the bin that holds `value` [...] of x (axis 0) or y (1), its left edge, width, bottom and
    height, each [...].

    logits: unnormalised widths, then heights [..., 2K].
    """
    logits = logits.unflatten(-1, (2, -1))
    bins = logits.shape[-1]
    weights = (logits - logits.detach().amax(dim=-1, keepdim=True)).exp()
    table = weights @ knot_matrix(bins, logits.dtype, logits.device)
    scale = 2 * bound / table[..., -1]
    inner_knots = table[..., axis, 1:bins]
    index = ((value + bound) / scale[..., axis]).unsqueeze(-1).ge(inner_knots).sum(dim=-1, keepdim=True)
    picked = table.gather(-1, torch.cat([index, index + bins], dim=-1)[..., None, :].expand(*value.shape, 2, 2))
    (left, width), (bottom, height) = ((picked * scale[..., None]).select(-2, way).unbind(-1) for way in (0, 1))
    return index, left - bound, width, bottom - bound, height


@functools.lru_cache
def knot_matrix(bins: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix [K, 2K + 1] that maps E to the K lower knots, the K sizes (both as fractions of the interval) and one.

    Each is to be divided by the last, the sum of E.
    """
    sizes = MIN_BIN + (1 - MIN_BIN * bins) * torch.eye(bins, dtype=torch.float64)
    matrix = torch.cat([sizes.cumsum(dim=1) - sizes, sizes, torch.ones(bins, 1)], dim=1)
    return matrix.to(dtype=dtype, device=device)


def _slopes(logits: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes [...] at the two knots of the bin at `index` [..., 1]; one at the outermost knots."""
    padded = functional.pad(logits, (1, 1), value=TAIL_LOGIT)
    slope, next_slope = functional.softplus(padded.gather(-1, torch.cat([index, index + 1], dim=-1))).unbind(-1)
    return MIN_SLOPE + slope, MIN_SLOPE + next_slope
