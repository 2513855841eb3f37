"""The flow's sampling direction, rebuilt from the trained weights as a graph without masks, branches or repeated
passes.

A masked autoregressive network gives hidden unit i a degree d_i and lets it see the inputs 1..d_i only. Sorted by
degree, the units of degree d are computed once, right after input d is known, so that inverting all five dimensions
costs the arithmetic of one masked pass instead of five. The first dimension's spline depends on nothing: it is a
constant table.

Inside the layers tensors are [1, 1, rows, B S] (B spectra, S samples): every product is one matrix of weights times the
matrix of all samples, where a context's terms are repeated for each of its samples, and a leading axis of the weights
makes several tables at once. Around them tensors are [B, 1, rows, S]. The splines work in unit coordinates,
(y + bound)/(2 bound).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from xspecnf_export.splines import InverseSpline, constant
from xspecnf_train.flow import ACTIVATIONS, FEATURES, ConditionalGaussian, PosteriorFlow, SplineTransform

Activation = Callable[[Tensor], Tensor]

LAST_DEGREE = FEATURES - 1
"""No hidden unit sees the last input, and no output needs it."""


class Sampler(nn.Module):
    """Context [B, C] and standard normal noise [B, S, 5] -> u [B, S, 5] in the unit cube, ln q(u | context) [B, S].

    The same numbers as `PosteriorFlow.sample`, for a flow with or without head, in either of its coordinates.
    """

    def __init__(self, flow: PosteriorFlow) -> None:
        super().__init__()
        self.config = flow.config
        self.rate_shift: Tensor
        self.rate_scale: Tensor
        transforms = list(flow.transform._transforms)
        head = transforms[0] if isinstance(transforms[0], ConditionalGaussian) else None
        splines = [transform for transform in reversed(transforms) if isinstance(transform, SplineTransform)]
        self.head = GaussianInverse(head) if head is not None else None
        self.layers = nn.ModuleList(LayerInverse(spline, flow.config.activation) for spline in splines)
        self.rate = flow.rate
        self.register_buffer("rate_shift", flow.rate_shift)
        self.register_buffer("rate_scale", flow.rate_scale)

    def forward(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        conditioner = self._conditioner(context)
        bound = self.config.tail_bound
        each = torch.ones_like(noise[:, :, 0])
        columns = ((noise + bound) / (2 * bound)).permute(2, 0, 1)
        rows = list(_flat(columns, FEATURES, each).split(1, dim=2))
        slopes: list[Tensor] = []
        for layer in self.layers:
            rows, layer_slopes = layer(rows, conditioner, each)
            rows.reverse()
            slopes += layer_slopes
        x = [_apart(2 * bound * row - bound, each) for row in rows]
        logabsdet = torch.cat(slopes, dim=2).log().sum(dim=2, keepdim=True) if slopes else torch.zeros_like(rows[0])
        logabsdet = _apart(logabsdet, each).squeeze(2)
        if self.head is not None:
            x, head_logabsdet = self.head(x, conditioner)
            logabsdet = logabsdet + head_logabsdet
        theta, log_slope = self._unit_cube(x, context)
        log_base = -0.5 * (noise.square().sum(dim=2) + FEATURES * math.log(2 * math.pi))
        return theta.transpose(1, 2), log_base + (log_slope - logabsdet).squeeze(1)

    def _conditioner(self, context: Tensor) -> Tensor:
        """The context with its two rate entries brought to order one, [B, C]."""
        rates = (context[:, -2:] + self.rate_shift) * self.rate_scale
        return torch.cat([context[:, :-2], rates], dim=1)

    def _unit_cube(self, rows: list[Tensor], context: Tensor) -> tuple[Tensor, Tensor]:
        """u [B, 5, S] and ln |dx/du| of the coordinates x; see `PosteriorFlow.unit_cube`."""
        x = torch.cat(rows, dim=2).squeeze(1)
        if self.config.coordinates == "cube":
            return x / 6 + 0.5, torch.full_like(x[:, :1], FEATURES * math.log(6))
        z, excess = x.split([4, 1], dim=1)
        shape = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
        log_rate, log_error = context[:, -2:].unsqueeze(2).split(1, dim=1)
        error = torch.sqrt(torch.exp(2 * log_error) + self.config.rate_floor**2)
        log_norm = excess * error + log_rate - self._log_unit_rate(2 * shape - 1)
        brightness = (log_norm - math.log(self.config.norm_low)) / self.config.log_norm_range
        log_phi = -0.5 * (z.square().sum(dim=1, keepdim=True) + 4 * math.log(2 * math.pi))
        return torch.cat([shape, brightness], dim=1), math.log(self.config.log_norm_range) - torch.log(error) - log_phi

    def _log_unit_rate(self, shape: Tensor) -> Tensor:
        """ln R [B, 1, S] of shape parameters [B, 4, S] in -1..1: the flow's `rate` network, samples last."""
        for layer in self.rate:
            shape = layer.weight @ shape + layer.bias.unsqueeze(1) if isinstance(layer, nn.Linear) else layer(shape)
        return shape


class GaussianInverse(nn.Module):
    """`ConditionalGaussian` undone by forward substitution: d_i = y_i exp(-a_i) + sum_{j<i} n_ij d_j, x = d + mu."""

    def __init__(self, head: ConditionalGaussian) -> None:
        super().__init__()
        self.gaussian = head

    def forward(self, rows: list[Tensor], conditioner: Tensor) -> tuple[list[Tensor], Tensor]:
        mu, log_scale, regression = self.gaussian.coefficients(conditioner)
        means, scales, slopes = (_columns(table) for table in (mu, torch.exp(-log_scale), regression))
        offsets: list[Tensor] = []
        for i, row in enumerate(rows):
            first = i * (i - 1) // 2
            earlier = [n * offset for n, offset in zip(slopes[first : first + i], offsets, strict=True)]
            offsets.append(sum(earlier, row * scales[i]))
        x = [offset + mean for offset, mean in zip(offsets, means, strict=True)]
        return x, -log_scale.sum(dim=1)[:, None, None]


def _flat(table: Tensor, rows: int, each: Tensor) -> Tensor:
    """[rows, B, S] as [1, 1, rows, B S]; each: [B, S], for its sizes: a graph cannot infer one where another is 0."""
    return table.reshape(1, 1, rows, each.shape[0] * each.shape[1])


def _apart(row: Tensor, each: Tensor) -> Tensor:
    """[1, 1, 1, B S] as [B, 1, 1, S]."""
    return row.reshape(each.shape[0], 1, 1, each.shape[1])


def _columns(table: Tensor) -> tuple[Tensor, ...]:
    """The columns of [B, n] as n tensors [B, 1, 1, 1]."""
    return table[:, None, :, None].split(1, dim=2)


class LayerInverse(nn.Module):
    """The inverse of one masked autoregressive spline transform, dimension by dimension, in unit coordinates."""

    def __init__(self, spline: SplineTransform, activation: str) -> None:
        super().__init__()
        self.activation: Activation = ACTIVATIONS[activation]
        made = spline.autoregressive_net
        units = [torch.nonzero(made.initial_layer.degrees == d).flatten() for d in range(1, FEATURES)]
        self.sizes = [len(block) for block in units]
        self.blocks = len(made.blocks)
        order = torch.cat(units)
        linears = [made.context_layer, *(block.context_layer for block in made.blocks)]
        self.context_weight = constant(torch.cat([linear.weight[order] for linear in linears]).T)
        self.context_bias = constant(torch.cat([linear.bias[order] for linear in linears]))
        masked = made.initial_layer.weight * made.initial_layer.mask
        self.initial_bias = constant((made.initial_layer.bias - spline.tail_bound * masked.sum(dim=1))[order])
        self.inner_bias = constant(torch.cat([block.linear_layers[0].bias[order] for block in made.blocks]))
        self.hidden = nn.ModuleList(HiddenBlock(spline, units, d, self.activation) for d in range(1, FEATURES))
        self.splines = nn.ModuleList(InverseSpline(spline, d, order, seen=sum(self.sizes[:d])) for d in range(FEATURES))

    def forward(self, rows: list[Tensor], conditioner: Tensor, each: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Invert five rows [1, 1, 1, B S]; returns the five inputs and their slopes dx/dy. each: ones [B, S]."""
        terms = self._context_terms(conditioner, each)
        memory = Memory(torch.ones_like(rows[0]), self.blocks)
        x: list[Tensor] = []
        slopes: list[Tensor] = []
        for d, spline in enumerate(self.splines):
            value, slope = spline(rows[d], memory.output)
            x.append(value)
            slopes.append(slope)
            if d < LAST_DEGREE:
                self.hidden[d](x, [term[d] for term in terms], memory)
        return x, slopes

    def _context_terms(self, conditioner: Tensor, each: Tensor) -> list[tuple[Tensor, ...]]:
        """What the context adds, biases included, per masked layer and degree: [1, 1, units, B S] each."""
        projected = conditioner @ self.context_weight + self.context_bias
        hidden = sum(self.sizes)
        initial = self.initial_bias + self.activation(projected[:, :hidden])
        inner = self.inner_bias + projected[:, hidden:]
        sizes = self.sizes * (1 + self.blocks)
        columns = _flat(torch.cat([initial, inner], dim=1).T[:, :, None] * each, sum(sizes), each)
        terms = columns.split(sizes, dim=2)
        return [terms[i : i + LAST_DEGREE] for i in range(0, len(terms), LAST_DEGREE)]


class Memory:
    """What the units of the degrees known so far put out, per residual block after its activations, and in the end.

    Lists that a product with a bias follows begin with a row of ones.
    """

    def __init__(self, ones: Tensor, blocks: int) -> None:
        self.outer: list[list[Tensor]] = [[] for _ in range(blocks)]
        self.inner: list[list[Tensor]] = [[ones] for _ in range(blocks)]
        self.output: list[Tensor] = [ones]


class HiddenBlock(nn.Module):
    """The hidden units of one degree, through all residual blocks."""

    def __init__(self, spline: SplineTransform, units: list[Tensor], degree: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        made = spline.autoregressive_net
        own, seen = units[degree - 1], torch.cat(units[:degree])
        self.initial = constant(2 * spline.tail_bound * made.initial_layer.weight[own, :degree])
        pairs = [tuple(block.linear_layers) for block in made.blocks]
        self.first = nn.ParameterList(constant(first.weight[own][:, seen]) for first, _ in pairs)
        self.second = nn.ParameterList(
            constant(torch.cat([second.bias[own, None], second.weight[own][:, seen]], dim=1)) for _, second in pairs
        )

    def forward(self, x: list[Tensor], terms: list[Tensor], memory: Memory) -> None:
        """Compute the units from the inputs `x` known so far and add them to `memory`."""
        hidden = self.initial @ torch.cat(x, dim=2) + terms[0]
        for block, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            memory.outer[block].append(self.activation(hidden))
            inner = first @ torch.cat(memory.outer[block], dim=2) + terms[block + 1]
            memory.inner[block].append(self.activation(inner))
            hidden = hidden + second @ torch.cat(memory.inner[block], dim=2)
        memory.output.append(hidden)
