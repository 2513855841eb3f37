"""The flow's sampling direction, rebuilt from the trained weights as a graph without masks, branches or repeated
passes.

A masked autoregressive network gives hidden unit i a degree d_i and lets it see the inputs 1..d_i only. Sorted by
degree, the units of degree d are computed once, right after input d is known, so that inverting all five dimensions
costs the arithmetic of one masked pass instead of five. What the network puts out is linear in its inputs, in the
activations inside its residual blocks and in the context's terms, so the last matrices are multiplied here, once. The
first dimension's spline depends on nothing: it is a constant table.

Tensors are [rows, N], N = B S (B spectra, S samples): every product is one matrix of weights times the matrix of all
samples. The splines work in unit coordinates, (y + bound)/(2 bound).
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from xspecnf_export.made import Made
from xspecnf_export.splines import InverseSpline, Slope, constant, log_slope
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
        layers = (LayerInverse(spline, flow.config.activation) for spline in splines)
        self.layers = nn.ModuleList(layers).to(flow.rate_shift.dtype)
        self.rate = flow.rate
        self.register_buffer("rate_shift", flow.rate_shift)
        self.register_buffer("rate_scale", flow.rate_scale)

    def forward(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        conditioner = self._conditioner(context)
        each = torch.ones_like(noise[:, :, 0])
        y = noise.permute(2, 0, 1).flatten(1)
        log_q = -0.5 * ((y * y).sum(dim=0, keepdim=True) + FEATURES * math.log(2 * math.pi))
        x, log_spline = self._splines(y, conditioner, each)
        if self.head is not None:
            x, log_scale = self.head(x, conditioner, each)
            log_q = log_q - log_scale
        u, log_cube = self._unit_cube(x, context, each)
        result = torch.cat([u, log_q - log_spline + log_cube]).reshape(FEATURES + 1, *each.shape)
        return result[:FEATURES].permute(1, 2, 0), result[FEATURES]

    def _conditioner(self, context: Tensor) -> Tensor:
        """The context with its two rate entries brought to order one, [B, C]."""
        rates = (context[:, -2:] + self.rate_shift) * self.rate_scale
        return torch.cat([context[:, :-2], rates], dim=1)

    def _splines(self, y: Tensor, conditioner: Tensor, each: Tensor) -> tuple[Tensor, Tensor]:
        """All spline transforms of y [5, N] undone: x [5, N], and ln dx/dy [1, N]."""
        width = 2 * self.config.tail_bound
        rows = list((y / width + 0.5).split(1))
        slopes: list[Slope] = []
        for layer in self.layers:
            rows, of_layer = layer(rows, conditioner, each)
            rows.reverse()
            slopes += of_layer
        x = width * (torch.cat(rows) - 0.5)
        return x, log_slope(slopes) if slopes else torch.zeros_like(x[:1])

    def _unit_cube(self, x: Tensor, context: Tensor, each: Tensor) -> tuple[Tensor, Tensor]:
        """u [5, N] and ln |dx/du| of the coordinates x; see `PosteriorFlow.unit_cube`."""
        if self.config.coordinates == "cube":
            return x / 6 + 0.5, torch.full_like(x[:1], FEATURES * math.log(6))
        z, excess = x.split([4, 1])
        shape = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
        error = torch.sqrt(torch.exp(2 * context[:, -1:]) + self.config.rate_floor**2)
        log_rate, error = repeat(torch.cat([context[:, -2:-1], error], dim=1), each).split(1)
        log_norm = excess * error + log_rate - self._log_unit_rate(2 * shape - 1)
        brightness = (log_norm - math.log(self.config.norm_low)) / self.config.log_norm_range
        log_phi = -0.5 * (z.square().sum(dim=0, keepdim=True) + 4 * math.log(2 * math.pi))
        return torch.cat([shape, brightness]), math.log(self.config.log_norm_range) - torch.log(error) - log_phi

    def _log_unit_rate(self, shape: Tensor) -> Tensor:
        """ln R [1, N] of shape parameters [4, N] in -1..1: the flow's `rate` network, samples last."""
        for layer in self.rate:
            if isinstance(layer, nn.Linear):
                shape = torch.addmm(layer.bias[:, None], layer.weight, shape)
            else:
                shape = layer(shape)
        return shape


def repeat(terms: Tensor, each: Tensor) -> Tensor:
    """Terms of each context [B, n] for all of its samples [n, B S]; each: ones [B, S]."""
    return (terms.T[:, :, None] * each).flatten(1)


class GaussianInverse(nn.Module):
    """`ConditionalGaussian` undone by forward substitution: d_i = y_i exp(-a_i) + sum_{j<i} n_ij d_j, x = d + mu."""

    def __init__(self, head: ConditionalGaussian) -> None:
        super().__init__()
        self.gaussian = head

    def forward(self, y: Tensor, conditioner: Tensor, each: Tensor) -> tuple[Tensor, Tensor]:
        """x [5, N] for y [5, N], and ln |dx/dy| [1, N]."""
        mu, log_scale, regression = self.gaussian.coefficients(conditioner)
        terms = torch.cat([mu, torch.exp(-log_scale), -log_scale.sum(dim=1, keepdim=True), regression], dim=1)
        mean, scale, log_size, regression = repeat(terms, each).split([FEATURES, FEATURES, 1, regression.shape[1]])
        slopes = regression.split(1)
        offsets: list[Tensor] = []
        for i, row in enumerate((y * scale).split(1)):
            first = i * (i - 1) // 2
            earlier = [n * offset for n, offset in zip(slopes[first : first + i], offsets, strict=True)]
            offsets.append(sum(earlier, row))
        return torch.cat(offsets) + mean, log_size


class LayerInverse(nn.Module):
    """The inverse of one masked autoregressive spline transform, dimension by dimension, in unit coordinates."""

    def __init__(self, spline: SplineTransform, activation: str) -> None:
        super().__init__()
        made = Made(spline)
        self.activation: Activation = ACTIVATIONS[activation]
        self.blocks = len(made.first)
        self.sizes = [*made.sizes * (1 + self.blocks), *[made.logits] * LAST_DEGREE]
        self.context = constant(made.context)
        self.context_bias = constant(made.context_bias)
        self.initial_bias = constant(made.initial_bias)
        self.output = constant(made.output[1:].flatten(0, 1).T)
        self.output_bias = constant(made.output_bias[1:].flatten())
        self.spline = InverseSpline(spline.num_bins)
        self.first_table = constant(self.spline.table(made.output_bias[0, :, None]))
        self.steps = nn.ModuleList(Step(made, degree, self.activation) for degree in range(1, FEATURES))

    def forward(self, rows: list[Tensor], conditioner: Tensor, each: Tensor) -> tuple[list[Tensor], list[Slope]]:
        """Invert five rows [1, N] of Y; returns those of X and what their slopes follow from. each: ones [B, S]."""
        terms = self._context_terms(conditioner)
        memory = Memory(self.blocks)
        table = self.first_table * torch.ones_like(rows[0])
        slopes: list[Slope] = []
        for d, row in enumerate(rows):
            value, slope = self.spline(row, table)
            memory.x.append(value)
            slopes.append(slope)
            if d < LAST_DEGREE:
                table = self.spline.table(self.steps[d](memory, terms[d::LAST_DEGREE], each))
        return memory.x, slopes

    def _context_terms(self, conditioner: Tensor) -> list[Tensor]:
        """What the context adds, biases included, [rows, B, 1]: of each layer of units and of the logits, by degree."""
        projected = conditioner @ self.context + self.context_bias
        units = len(self.initial_bias)
        initial, inner = projected.split([units, self.blocks * units], dim=1)
        initial = self.activation(initial) + self.initial_bias
        output = initial @ self.output + self.output_bias
        columns = torch.cat([initial, inner, output], dim=1).T[:, :, None]
        return list(columns.split(self.sizes))


class Memory:
    """The inputs known so far, and the units' activations before and inside each residual block."""

    def __init__(self, blocks: int) -> None:
        self.x: list[Tensor] = []
        self.outer: list[list[Tensor]] = [[] for _ in range(blocks)]
        self.inner: list[list[Tensor]] = [[] for _ in range(blocks)]


class Step(nn.Module):
    """What one more input gives: the hidden units of its degree, and the logits of the next spline."""

    def __init__(self, made: Made, degree: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        own, seen = made.units(degree)
        self.initial = constant(made.initial[own, :degree])
        self.first = nn.ParameterList(constant(first[own, seen]) for first in made.first)
        self.second = nn.ParameterList(constant(second[own, seen]) for second in made.second[:-1])
        self.second_bias = nn.ParameterList(constant(bias[own, None]) for bias in made.second_bias[:-1])
        output = made.output[degree]
        inner = [(output @ second)[:, seen] for second in made.second]
        self.output = constant(torch.cat([(output @ made.initial)[:, :degree], *inner], dim=1))

    def forward(self, memory: Memory, terms: list[Tensor], each: Tensor) -> Tensor:
        """The next logits [3 K + 1, N]; adds the units to `memory`. terms: the context's, by layer."""
        hidden = _affine(self.initial, memory.x, terms[0], each)
        for block, first in enumerate(self.first):
            memory.outer[block].append(self.activation(hidden))
            memory.inner[block].append(self.activation(_affine(first, memory.outer[block], terms[block + 1], each)))
            if block < len(self.second):
                hidden = hidden + self.second_bias[block] + self.second[block] @ torch.cat(memory.inner[block])
        return _affine(self.output, [*memory.x, *itertools.chain(*memory.inner)], terms[-1], each)


def _affine(weight: Tensor, rows: list[Tensor], term: Tensor, each: Tensor) -> Tensor:
    """A matrix times rows of all samples [n, N], and a term of each context [m, B, 1] added: [m, N]."""
    return ((weight @ torch.cat(rows)).reshape(len(weight), *each.shape) + term).flatten(1)
