"""The inverse of a rational-quadratic spline, written for a fast and branch-free graph.

In unit coordinates Y = (y + bound)/(2 bound). With E = exp(logits), knots and sizes of all bins times sum(E) are one
constant matrix times E; the bin is picked first and normalised afterwards, so nothing is a difference of cumulative
sums. Inside the bin, with q the position from its bottom in units of its height, delta = height/width and d0, d1 the
slopes at its ends,

    s = d0 + d1 - 2 delta,  b = d0 - q s,  g = 2 delta q,  disc = (b - g)^2 + g (2 delta - g)  (never negative)
    root = g / (b + sqrt(disc)),   d root/dq = (delta + s root (1 - root)) / sqrt(disc).

Outside the bounds the spline is the identity: what clipping takes off is added back.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from xspecnf_train.flow import SplineTransform
from xspecnf_train.splines import MIN_SLOPE, TAIL_LOGIT, knot_matrix

LOGIT_BOUND = 60.0
"""Logits are clipped to this: exp stays within float32, and a bin of weight exp(-60) is at its smallest size anyway."""

Tables = tuple[Tensor, ...]


def constant(tensor: Tensor) -> nn.Parameter:
    """A copy of trained numbers that nothing trains further."""
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)


class InverseSpline(nn.Module):
    """The inverse spline of one dimension, its parameters included: Y [B, 1, 1, S] -> X [B, 1, 1, S] and dX/dY.

    order: the hidden units by degree; seen: how many of them the parameters depend on, none for the first dimension,
    whose spline is a constant.
    """

    def __init__(self, spline: SplineTransform, dimension: int, order: Tensor, seen: int) -> None:
        super().__init__()
        self.bins = spline.num_bins
        final = spline.autoregressive_net.final_layer
        rows = slice(dimension * (3 * self.bins - 1), (dimension + 1) * (3 * self.bins - 1))
        affine = torch.cat([final.bias[rows].unsqueeze(1), final.weight[rows][:, order[:seen]]], dim=1).detach()
        inner = affine[2 * self.bins :]
        outer = functional.pad(inner.new_tensor([[TAIL_LOGIT]]), (0, inner.shape[1] - 1))
        self.affine = constant(torch.cat([affine[: 2 * self.bins], outer, inner, inner, outer]))
        self.tables, self.steps, self.sums = (constant(matrix.to(affine.dtype)) for matrix in _matrices(self.bins))
        known = self._tables(torch.ones(1, 1, 1, 1, dtype=affine.dtype)) if not seen else ()
        self.constants = nn.ParameterList(constant(table) for table in known)

    def forward(self, y: Tensor, units: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Invert `y`; units: a row of ones, then the hidden units seen, in blocks [B, 1, units, S]."""
        knots, width_total, height_total, tables = tuple(self.constants) or self._tables(torch.cat(units, dim=2))
        inside = y.clamp(0, 1)
        raised = inside * height_total
        chosen = self.steps @ (raised >= knots).to(y.dtype)
        left, width, bottom, height, slopes = (self.sums @ (tables * chosen)).split([1, 1, 1, 1, 2], dim=2)
        d0, d1 = _softplus(slopes).split(1, dim=2)
        delta = (height * width_total) / (width * height_total)
        root, slope = _solve((raised - bottom) / height, delta, d0, d1)
        return (left + root * width) / width_total + (y - inside), slope

    def _tables(self, units: Tensor) -> Tables:
        """Knots along Y [B, 1, K + 1, S]; both sums of E; and, for each bin, its left edge, width, bottom, height, and
        the logits of the slopes at its left and right end [B, 1, 6 K, S]."""
        sizes, slopes = (self.affine @ units).split(2 * self.bins, dim=2)
        weights = sizes.clamp(-LOGIT_BOUND, LOGIT_BOUND).exp()
        knots, width_total, height_total, picks = (self.tables @ weights).split([self.bins + 1, 1, 1, 4 * self.bins], 2)
        return knots, width_total, height_total, torch.cat([picks, slopes], dim=2)


def _softplus(logits: Tensor) -> Tensor:
    """Slopes of their logits; log(1 + exp) costs onnxruntime a quarter of its Softplus."""
    return MIN_SLOPE + torch.log(1 + torch.exp(logits))


def _solve(q: Tensor, delta: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """Position along x inside the bin and dx/dy, by the formulae of the module's docstring."""
    twice = 2 * delta
    s = d0 + d1 - twice
    b = d0 - q * s
    g = twice * q
    difference = b - g
    square_root = torch.sqrt(difference * difference + g * (twice - g))
    root = g / (b + square_root)
    return root, (delta + s * root * (1 - root)) / (delta * square_root)


def _matrices(bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three constant matrices, in float64.

    E (of K widths, then K heights) to [5 K + 3, 2 K]: the K + 1 knots along Y, the last moved beyond the interval; the
    sums of E along X and Y; the bins' left edges, widths, bottoms, heights. All but the sums are to be divided by their
    sum. "Y has passed the knot" to "Y is in the bin" [6 K, K + 1], once for each of six tables; their sums [6, 6 K].
    """
    lower, sizes, total = knot_matrix(bins, torch.float64, torch.device("cpu")).T.contiguous().split([bins, bins, 1])
    along_x, along_y = torch.eye(2, dtype=torch.float64)
    sums = [torch.kron(axis, total) for axis in (2 * along_y, along_x, along_y)]
    picks = [torch.kron(axis, table) for axis in (along_x, along_y) for table in (lower, sizes)]
    step = torch.eye(bins, bins + 1)
    groups = torch.kron(torch.eye(6), torch.ones(1, bins))
    return torch.cat([torch.kron(along_y, lower), *sums, *picks]), (step - step.roll(1, dims=1)).repeat(6, 1), groups
