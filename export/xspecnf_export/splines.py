"""The inverse of a rational-quadratic spline, written for a fast and branch-free graph.

In unit coordinates Y = (y + bound)/(2 bound). With E = exp(logits), the edges and sizes of all bins times sum(E) are
one constant matrix times E; the bin is picked first and normalised afterwards, so nothing is a difference of cumulative
sums. Inside the bin, with q the position from its bottom in units of its height, and e0, e1 the slopes dy/dx at its
ends in units of twice its mean slope delta = height/width,

    f = e0 (1 - q) - e1 q,  r = sqrt(f^2 + q (1 - q)),
    root = q / (f + q + r),   d root/dq = (1 + 2 (e0 + e1 - 1) root (1 - root)) / (2 r),

where nothing under the root is negative. Outside the bounds the spline is the identity: what clipping takes off is
added back.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xspecnf_train.splines import MIN_SLOPE, knot_matrix

LOGIT_BOUND = 60.0
"""Logits are clipped to this: exp stays within float32, and a bin of weight exp(-60) is at its smallest size anyway."""

RISE = math.exp(MIN_SLOPE)
"""A slope is MIN_SLOPE + ln(1 + exp(logit)) = ln(RISE + RISE exp(logit))."""


def constant(tensor: Tensor) -> nn.Parameter:
    """A copy of numbers that nothing trains."""
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)


class Slope(NamedTuple):
    """What ln dX/dY follows from, rows [1, N] of one spline: the names of the module's docstring, run = 1/(2 delta)."""

    root: Tensor
    e0: Tensor
    e1: Tensor
    r: Tensor
    run: Tensor


def log_slope(slopes: list[Slope]) -> Tensor:
    """The sum of ln dX/dY over splines [1, N], all of them at once."""
    root, e0, e1, r, run = (torch.cat(rows) for rows in zip(*slopes, strict=True))
    return ((1 + 2 * (e0 + e1 - 1) * root * (1 - root)) * run / r).log().sum(dim=0, keepdim=True)


class InverseSpline(nn.Module):
    """The inverse spline of one dimension: Y [1, N] -> X [1, N] and what its slope follows from.

    The logits are 2 K of the bins' widths and heights, then K + 1 of the slopes at the knots.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.matrix = constant(_table_matrix(bins))
        first = torch.tensor([0, bins, 2 * bins, 3 * bins, 4 * bins, 4 * bins + 1])
        self.index = constant(torch.cat([first[:, None], torch.ones(6, bins - 1)], dim=1).double())

    def table(self, logits: Tensor) -> Tensor:
        """Left edges, widths, bottoms and heights of the K bins, RISE exp(logit) of the slopes at K + 1 knots, and
        the sums of E along X and Y [5 K + 3, N], of `logits` [3 K + 1, N]."""
        return self.matrix @ logits.clamp(-LOGIT_BOUND, LOGIT_BOUND).exp()

    def forward(self, y: Tensor, table: Tensor) -> tuple[Tensor, Slope]:
        """Invert `y` by the spline of `table`."""
        inside = y.clamp(0, 1)
        width_total, height_total = table[-2:-1], table[-1:]
        raised = inside * height_total
        passed = raised >= table[2 * self.bins : 3 * self.bins]  # the lowest bottom, 0, always
        picked = table.gather(0, (self.index @ passed.to(y.dtype)).long())
        left, width, bottom, height, slopes = picked.split([1, 1, 1, 1, 2])
        run = 0.5 * ((width * height_total) / (height * width_total))
        e0, e1 = (torch.log(slopes + RISE) * run).split(1)
        q = (raised - bottom) / height
        rest = 1 - q
        f = e0 * rest - e1 * q
        r = torch.sqrt(f * f + q * rest)
        root = q / (f + q + r)
        return (left + root * width) / width_total + (y - inside), Slope(root, e0, e1, r, run)


def _table_matrix(bins: int) -> Tensor:
    """The matrix of `InverseSpline.table` [5 K + 3, 3 K + 1], in float64; all but the slopes are to be divided by the
    sum of E along their axis."""
    edges, sizes, total = knot_matrix(bins, torch.float64, torch.device("cpu")).T.contiguous().split([bins, bins, 1])
    axes, slopes = torch.eye(2, dtype=torch.float64), torch.eye(bins + 1, dtype=torch.float64)
    picks = torch.cat([torch.kron(axis, table) for axis in axes for table in (edges, sizes)])
    matrix = torch.block_diag(picks, RISE * slopes)
    totals = torch.cat([torch.kron(axes, total), torch.zeros(2, bins + 1, dtype=torch.float64)], dim=1)
    return torch.cat([matrix, totals])
