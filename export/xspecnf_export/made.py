"""The weights of a masked autoregressive network, ordered for its inverse.

In float64, since some are multiplied with one another before they are rounded to what they were trained in. Hidden
units are sorted by degree, masks are applied, inputs are in unit coordinates, and each spline has two more logits: the
constant ones of the slopes at its outermost knots.
"""

import copy

import torch
from torch import Tensor, nn

from xspecnf_train.flow import FEATURES, SplineTransform
from xspecnf_train.splines import TAIL_LOGIT


class Made:
    """With H hidden units, blocks k, context length C and L = 3 K + 1 logits a spline of K bins:

        hidden = initial x + initial_bias + activation(context term),
        hidden += second_k activation(first_k activation(hidden) + context term) + second_bias_k,
        logits of dimension d = output_d hidden + bias.

    sizes: units of degree 1, 2, ... context [C, H (1 + blocks)] and context_bias make the context's terms, with the
    first layers' biases. initial [H, 5]; first, second: lists of [H, H]; output [5, L, H]; output_bias [5, L] holds
    what the second layers' biases come to as well.
    """

    def __init__(self, spline: SplineTransform) -> None:
        made, bound = copy.deepcopy(spline.autoregressive_net).double(), spline.tail_bound
        degrees = made.initial_layer.degrees
        order = torch.argsort(degrees, stable=True)
        layers = [block.linear_layers for block in made.blocks]
        self.sizes = torch.bincount(degrees, minlength=FEATURES)[1:].tolist()
        self.logits = 3 * spline.num_bins + 1

        initial = _masked(made.initial_layer)[order]
        self.initial = 2 * bound * initial
        self.initial_bias = made.initial_layer.bias[order] - bound * initial.sum(dim=1)
        self.first, self.second = ([_masked(pair[i])[order][:, order] for pair in layers] for i in (0, 1))
        self.second_bias = [pair[1].bias[order] for pair in layers]

        linears = [made.context_layer, *(block.context_layer for block in made.blocks)]
        inner_bias = [pair[0].bias for pair in layers]
        biases = [linear.bias + bias for linear, bias in zip(linears, [0, *inner_bias], strict=True)]
        self.context = torch.cat([linear.weight[order] for linear in linears]).T
        self.context_bias = torch.cat([bias[order] for bias in biases])

        final = made.final_layer
        self.output = _with_outer_slopes(_masked(final)[:, order], spline.num_bins, 0.0)
        bias = _with_outer_slopes(final.bias[:, None], spline.num_bins, TAIL_LOGIT)[..., 0]
        self.output_bias = bias + self.output @ sum(self.second_bias)

    def units(self, degree: int) -> tuple[slice, slice]:
        """Where the units of a degree stand, and those of all degrees up to it."""
        end = sum(self.sizes[:degree])
        return slice(end - self.sizes[degree - 1], end), slice(end)


def _masked(linear: nn.Linear) -> Tensor:
    return linear.weight * linear.get_buffer("mask")


def _with_outer_slopes(rows: Tensor, bins: int, value: float) -> Tensor:
    """Rows [5 (3 K - 1), n] of the logits as [5, 3 K + 1, n], those of the outermost knots' slopes with `value`."""
    rows = rows.unflatten(0, (FEATURES, -1))
    outer = torch.full_like(rows[:, :1], value)
    return torch.cat([rows[:, : 2 * bins], outer, rows[:, 2 * bins :], outer], dim=1)
