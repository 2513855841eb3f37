"""The posterior flow: the density of the five parameters given a spectrum's context.

With u in the unit cube of the prior, the flow models coordinates x in which posteriors are smooth and of unit scale:

    brightness:  x_j = Phi^-1(u_j), j = 1..4        (a uniform prior becomes a standard normal: no leakage at its edges)
                 x_5 = (ln R(u_1..4) + ln norm - ln rate) / s
    cube:        x = 6 (u - 1/2)                    (the paper's)

ln R is a small network for the log count rate of a source of unit norm, so x_5 is the predicted log rate less the
observed one in units of its error s. The change of variables is exact for any fixed R: dx_5/du_5 = ln(high/low)/s.

On x: an optional conditional Gaussian, then masked autoregressive rational-quadratic splines (Durkan et al. 2019,
arXiv:1906.04032) with a standard normal base, all of them nflows transforms.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from nflows.distributions.normal import StandardNormal
from nflows.transforms.autoregressive import MaskedPiecewiseRationalQuadraticAutoregressiveTransform
from nflows.transforms.base import CompositeTransform, Transform
from nflows.transforms.permutations import ReversePermutation
from torch import Tensor, nn
from torch.nn import functional

from xspecnf.errors import InputError
from xspecnf_train.made import GivenContext
from xspecnf_train.splines import inverse_rational_quadratic, rational_quadratic

FEATURES = 5
"""Parameters of the model."""

ACTIVATIONS = {"relu": functional.relu, "tanh": torch.tanh, "gelu": functional.gelu, "silu": functional.silu}

EDGE = 1e-7
"""Distance that unit coordinates keep from 0 and 1, where the probit is infinite."""

MAX_LOG_SCALE = 9.0
"""Bound on the log of the conditional Gaussian's scales."""

RATE_SHIFT = (2.0, 4.0)
RATE_SCALE = (0.25, 0.3)
"""(context + shift) * scale brings ln rate (about -9..5) and ln relative rate error (about -9..1) to order one."""


@dataclass(frozen=True)
class FlowConfig:
    """Sizes of a posterior flow.

    context_size: length of the context, its last two entries (ln rate, ln relative rate error) included. coordinates:
    "brightness" or "cube". gaussian_head: put a conditional Gaussian, with `head_features` hidden units, before the
    splines. rate_floor: smallest relative error in s. norm_low, norm_high: the ends of norm's unit coordinate.
    """

    context_size: int
    coordinates: str = "brightness"
    gaussian_head: bool = False
    head_features: int = 64
    transforms: int = 10
    hidden_features: int = 64
    num_blocks: int = 2
    num_bins: int = 8
    tail_bound: float = 5.0
    activation: str = "relu"
    rate_hidden: Sequence[int] = (64, 64)
    rate_floor: float = 0.003
    norm_low: float = 1e-2
    norm_high: float = 1e10

    def __post_init__(self) -> None:
        """Refuse a configuration that cannot be built: InputError."""
        if self.coordinates not in ("brightness", "cube"):
            raise InputError(f'flow: coordinates is "{self.coordinates}"; use "brightness" or "cube"')
        if self.activation not in ACTIVATIONS:
            raise InputError(f'flow: activation is "{self.activation}"; use one of {", ".join(ACTIVATIONS)}')
        if self.context_size < 3:
            raise InputError(f"flow: context_size is {self.context_size}; use 3 or more, two are the rate entries")
        if min(self.head_features, self.hidden_features, self.num_blocks) < 1 or self.num_bins < 2:
            raise InputError("flow: sizes must be positive and num_bins at least 2")
        if self.transforms < (0 if self.gaussian_head else 1):
            raise InputError("flow: transforms must be positive; with gaussian_head it may be 0")
        if min(self.tail_bound, self.rate_floor) <= 0:
            raise InputError("flow: tail_bound and rate_floor must be positive")
        if not 0 < self.norm_low < self.norm_high:
            raise InputError("flow: norm_low must be positive and below norm_high")

    @property
    def log_norm_range(self) -> float:
        """ln(norm_high / norm_low)."""
        return math.log(self.norm_high / self.norm_low)


class SplineTransform(MaskedPiecewiseRationalQuadraticAutoregressiveTransform):
    """nflows' transform without boolean masks, inverted one dimension at a time; the same function, faster."""

    def _elementwise_forward(self, inputs: Tensor, autoregressive_params: Tensor) -> tuple[Tensor, Tensor]:
        parameters = autoregressive_params.view(*inputs.shape, -1)
        outputs, logabsdet = rational_quadratic(inputs, parameters, self.tail_bound)
        return outputs, logabsdet.sum(dim=1)

    def inverse(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Each dimension's spline depends on the dimensions before it, which are known by then."""
        network = GivenContext(self.autoregressive_net, context, FEATURES)
        outputs, logabsdet = inputs[:, :0], torch.zeros_like(inputs[:, 0])
        for k in range(FEATURES):
            column, log_slope = inverse_rational_quadratic(inputs[:, k], network.logits(outputs), self.tail_bound)
            outputs = torch.cat([outputs, column[:, None]], dim=1)
            logabsdet = logabsdet + log_slope
        return outputs, logabsdet


class ConditionalGaussian(Transform):
    """Whitens a Gaussian that follows from the context: y_i = exp(a_i) (d_i - sum_{j<i} n_ij d_j) with d = x - mu.

    n_ij are the coefficients of the regression of x_i on the coordinates before it, so they are of order one however
    narrow the Gaussian is. Starts as the identity.
    """

    def __init__(self, context_features: int, hidden_features: int, features: int = FEATURES) -> None:
        super().__init__()
        self.features = features
        self.hidden = nn.Linear(context_features, hidden_features)
        self.output = nn.Linear(hidden_features, 2 * features + features * (features - 1) // 2)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def coefficients(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mu [N, 5], a [N, 5] and n [N, 10], row by row below the diagonal, of `context` [N, C]."""
        output = self.output(functional.gelu(self.hidden(context)))
        below = self.features * (self.features - 1) // 2
        mu, log_scale, regression = output.split([self.features, self.features, below], dim=1)
        return mu, MAX_LOG_SCALE * torch.tanh(log_scale / MAX_LOG_SCALE), regression

    def forward(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_scale, regression = self.coefficients(context)
        residual = self._unit_lower(regression) @ (inputs - mu)[..., None]
        return residual[..., 0] * log_scale.exp(), log_scale.sum(dim=1)

    def inverse(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_scale, regression = self.coefficients(context)
        residual = (inputs * (-log_scale).exp())[..., None]
        offset = torch.linalg.solve_triangular(self._unit_lower(regression), residual, upper=False, unitriangular=True)
        return offset[..., 0] + mu, -log_scale.sum(dim=1)

    def _unit_lower(self, regression: Tensor) -> Tensor:
        """The matrix 1 - n [N, 5, 5]."""
        matrix = torch.eye(self.features, dtype=regression.dtype, device=regression.device).repeat(
            len(regression), 1, 1
        )
        rows, columns = torch.tril_indices(self.features, self.features, offset=-1)
        matrix[:, rows, columns] = -regression
        return matrix


class PosteriorFlow(nn.Module):
    """q(u | context): the flow of the module's docstring.

    `rate` is the network for ln R; it takes 2 u - 1 of the first four parameters. Fit it to the simulator and freeze it
    before the flow is trained.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.rate = _rate_network(config.rate_hidden)
        self.transform = CompositeTransform(_transforms(config))
        self.base = StandardNormal([FEATURES])
        self.rate_shift: Tensor
        self.rate_scale: Tensor
        self.register_buffer("rate_shift", torch.tensor(RATE_SHIFT), persistent=False)
        self.register_buffer("rate_scale", torch.tensor(RATE_SCALE), persistent=False)

    def log_prob(self, u: Tensor, context: Tensor) -> Tensor:
        """ln q(u | context) [N], the density with respect to `u` [N, 5] in the unit cube; `context` [N, C]."""
        x, log_slope = self.coordinates(u, context)
        noise, logabsdet = self.transform(x, self.conditioner(context))
        return self.base.log_prob(noise) + logabsdet + log_slope

    def sample(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The u [N, 5] that standard normal `noise` [N, 5] maps to, and ln q(u | context) [N]; `context` [N, C]."""
        x, logabsdet = self.transform.inverse(noise, self.conditioner(context))
        u, log_slope = self.unit_cube(x, context)
        return u, self.base.log_prob(noise) - logabsdet + log_slope

    def conditioner(self, context: Tensor) -> Tensor:
        """The context with its two rate entries brought to order one."""
        rates = (context[:, -2:] + self.rate_shift) * self.rate_scale
        return torch.cat([context[:, :-2], rates], dim=1)

    def coordinates(self, u: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The flow's coordinates x [N, 5] of `u` [N, 5] and ln |dx/du| [N]."""
        if self.config.coordinates == "cube":
            return 6 * (u - 0.5), torch.full_like(u[:, 0], FEATURES * math.log(6))
        z = torch.special.ndtri(u[:, :4].double().clamp(EDGE, 1 - EDGE)).to(u.dtype)
        error = self._rate_error(context)
        log_norm = math.log(self.config.norm_low) + u[:, 4] * self.config.log_norm_range
        excess = (self._log_rate(u) + log_norm - context[:, -2]) / error
        return torch.cat([z, excess[:, None]], dim=1), self._log_slope(z, error)

    def unit_cube(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `coordinates`: u [N, 5] of `x` [N, 5], and ln |dx/du| [N]."""
        if self.config.coordinates == "cube":
            return x / 6 + 0.5, torch.full_like(x[:, 0], FEATURES * math.log(6))
        shape = torch.special.ndtr(x[:, :4])
        error = self._rate_error(context)
        log_norm = x[:, 4] * error + context[:, -2] - self._log_rate(shape)
        brightness = (log_norm - math.log(self.config.norm_low)) / self.config.log_norm_range
        return torch.cat([shape, brightness[:, None]], dim=1), self._log_slope(x[:, :4], error)

    def _log_rate(self, u: Tensor) -> Tensor:
        """ln R [N], the log count rate of a source of unit norm."""
        return self.rate(2 * u[:, :4] - 1)[:, 0]

    def _rate_error(self, context: Tensor) -> Tensor:
        """s [N], the relative error of the observed rate, floored."""
        return torch.sqrt(torch.exp(2 * context[:, -1]) + self.config.rate_floor**2)

    def _log_slope(self, z: Tensor, error: Tensor) -> Tensor:
        """ln |dx/du| [N] of the brightness coordinates: the probit's slope is 1/phi(z)."""
        log_phi = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
        return math.log(self.config.log_norm_range) - error.log() - log_phi


def _rate_network(hidden: Sequence[int]) -> nn.Sequential:
    """Tanh layers of the widths `hidden` from the four shape parameters to ln R."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise((4, *hidden)):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 1))


def _transforms(config: FlowConfig) -> list[Transform]:
    """The transforms from x to noise."""
    head = [ConditionalGaussian(config.context_size, config.head_features)] if config.gaussian_head else []
    return head + [layer for _ in range(config.transforms) for layer in _spline_layer(config)]


def _spline_layer(config: FlowConfig) -> tuple[Transform, Transform]:
    spline = SplineTransform(
        features=FEATURES,
        hidden_features=config.hidden_features,
        context_features=config.context_size,
        num_bins=config.num_bins,
        tails="linear",
        tail_bound=config.tail_bound,
        num_blocks=config.num_blocks,
        use_residual_blocks=True,
        activation=ACTIVATIONS[config.activation],
    )
    return ReversePermutation(features=FEATURES), spline
