"""The flow as mathematics: change of variables, inverse, normalisation; its spline against nflows'."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline
from torch import Tensor

from xspecnf.errors import InputError
from xspecnf_train.flow import ConditionalGaussian, FlowConfig, PosteriorFlow, SplineTransform
from xspecnf_train.splines import inverse_rational_quadratic, rational_quadratic

CONTEXT = 10
SMALL = FlowConfig(context_size=CONTEXT, transforms=3, hidden_features=16, num_bins=6)
CONFIGS = {
    "brightness": replace(SMALL, gaussian_head=True),
    "cube": replace(SMALL, coordinates="cube", activation="gelu", num_blocks=3),
}


def perturbed(config: FlowConfig, scale: float = 0.1) -> PosteriorFlow:
    """A flow in float64 whose every weight has been moved, as training would."""
    torch.manual_seed(1)
    flow = PosteriorFlow(config).double()
    with torch.no_grad():
        for weight in flow.parameters():
            weight += scale * torch.randn_like(weight)
    return flow.requires_grad_(False)


def contexts(count: int) -> Tensor:
    """Contexts with rates of 1..1000 counts/s and relative errors of 0.2..20 %."""
    generator = torch.Generator().manual_seed(2)
    learned = torch.randn(count, CONTEXT - 2, generator=generator, dtype=torch.float64)
    rate, error = torch.rand(2, count, 1, generator=generator, dtype=torch.float64)
    return torch.cat([learned, 7 * rate, math.log(0.002) + 4.6 * error], dim=1)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture(params=CONFIGS)
def flow(request: pytest.FixtureRequest) -> PosteriorFlow:
    return perturbed(CONFIGS[request.param])


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_spline_is_nflows_spline_tails_included(spread: float) -> None:
    x, parameters = 4 * normal(2000, 5), spread * normal(2000, 5, 23)
    widths, heights, slopes = parameters.split([8, 8, 7], dim=-1)
    expected, expected_slope = unconstrained_rational_quadratic_spline(x, widths, heights, slopes, tail_bound=5.0)
    y, log_slope = rational_quadratic(x, parameters, 5.0)
    assert (x.abs() > 5).any()
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    # nflows takes its bins from differences of knots, which costs the narrow ones some digits.
    torch.testing.assert_close(log_slope, expected_slope, rtol=0, atol=1e-11 if spread < 1 else 1e-8)


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_inverse_spline_undoes_the_spline_tails_included(spread: float) -> None:
    y, parameters = 4 * normal(2000, 5), spread * normal(2000, 5, 23)
    x, log_slope = inverse_rational_quadratic(y, parameters, 5.0)
    back, back_slope = rational_quadratic(x, parameters, 5.0)
    torch.testing.assert_close(back, y, rtol=0, atol=1e-11)
    torch.testing.assert_close(log_slope, -back_slope, rtol=0, atol=1e-8)


def test_inverse_transform_is_nflows(flow: PosteriorFlow) -> None:
    """Values, log-determinants and the gradients of both, which the losses on samples learn from."""
    flow.requires_grad_(True)
    noise, context = normal(100, 5), contexts(100)
    found, gradient = _inverted(flow, noise, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(SplineTransform, "inverse")
        expected, expected_gradient = _inverted(flow, noise, context)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-6, atol=1e-6)


def _inverted(flow: PosteriorFlow, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """x and ln |dx/dnoise| [N, 6] of `noise`, and the gradient of their sum with respect to all the weights."""
    weights = list(flow.transform.parameters())
    x, logabsdet = flow.transform.inverse(noise, flow.conditioner(context))
    gradients = torch.autograd.grad(x.sum() + logabsdet.sum(), weights)
    return torch.cat([x, logabsdet[:, None]], dim=1).detach(), torch.cat([part.flatten() for part in gradients])


@pytest.mark.parametrize("spline", [rational_quadratic, inverse_rational_quadratic])
def test_spline_survives_huge_logits(spline: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
    x, parameters = normal(50, 5), 300 * normal(50, 5, 23)
    y, log_slope = spline(x.float(), parameters.float(), 5.0)
    assert y.isfinite().all()
    assert log_slope.isfinite().all()


@pytest.mark.parametrize("spline", [rational_quadratic, inverse_rational_quadratic])
def test_spline_has_a_slope_at_its_knots(spline: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
    """In float32 a value at a knot may be rounded out of its bin, where the formula's slope may be negative."""
    axis = 0 if spline is rational_quadratic else 1
    parameters = 60 * normal(20_000, 1, 23).float()
    sizes = parameters[..., 8 * axis : 8 * axis + 8].softmax(dim=-1)
    knots = (10 * (0.001 + 0.992 * sizes).cumsum(dim=-1) - 5)[..., 3]
    y, log_slope = spline(knots, parameters, 5.0)
    assert y.isfinite().all()
    assert log_slope.isfinite().all()


def test_gaussian_head_whitens_and_inverts() -> None:
    head = ConditionalGaussian(CONTEXT, 8).double()
    x, context = normal(100, 5), contexts(100)
    torch.testing.assert_close(head(x, context)[0], x)
    torch.nn.init.normal_(head.output.weight)
    y, logabsdet = head(x, context)
    back, inverse_logabsdet = head.inverse(y, context)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(inverse_logabsdet, -logabsdet)


def test_sample_then_log_prob_agree(flow: PosteriorFlow) -> None:
    noise, context = normal(500, 5), contexts(500)
    u, log_prob = flow.sample(noise, context)
    x, _ = flow.coordinates(u, context)
    back, _ = flow.transform(x, flow.conditioner(context))
    inside = _away_from_edges(flow, u)
    assert inside.sum() > 250
    torch.testing.assert_close(back[inside], noise[inside], rtol=0, atol=1e-6)
    torch.testing.assert_close(flow.log_prob(u, context)[inside], log_prob[inside], rtol=0, atol=1e-6)


def _away_from_edges(flow: PosteriorFlow, u: Tensor) -> Tensor:
    """Rows whose probit keeps its digits; at the very edges u cannot hold them."""
    if flow.config.coordinates == "cube":
        return torch.ones(len(u), dtype=torch.bool)
    return ((u[:, :4] > 1e-6) & (u[:, :4] < 1 - 1e-6)).all(dim=1)


def test_log_determinant_is_autograds(flow: PosteriorFlow) -> None:
    context = contexts(8)
    u, _ = flow.unit_cube(normal(8, 5), context)

    def noise(row: Tensor, c: Tensor) -> Tensor:
        x, _ = flow.coordinates(row[None], c[None])
        return flow.transform(x, flow.conditioner(c[None]))[0][0]

    for row, c in zip(u, context, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r, c=c: noise(r, c), row)
        expected = flow.base.log_prob(noise(row, c)[None])[0] + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(flow.log_prob(row[None], c[None])[0], expected, rtol=0, atol=1e-6)


def test_density_integrates_to_one(flow: PosteriorFlow) -> None:
    """The mean of r/q over samples of q is the integral of r, which is one, if q is normalised: r a narrow Gaussian."""
    flow, count = perturbed(flow.config, scale=0.03), 20_000
    context = contexts(1).expand(count, -1)
    u, log_prob = flow.sample(normal(count, 5), context)
    x, log_slope = flow.coordinates(u, context)
    core = x[(x - x.median(dim=0).values).abs().amax(dim=1) < 3]
    gaussian = torch.distributions.MultivariateNormal(core.mean(dim=0), 0.3 * core.T.cov())
    ratio = (gaussian.log_prob(x) + log_slope - log_prob).exp()
    error = ratio.std().item() / math.sqrt(count)
    assert error < 0.1
    assert ratio.mean().item() == pytest.approx(1, abs=4 * error)


def test_brightness_follows_the_observed_rate() -> None:
    """Twice the rate is twice the norm: u_5 moves by ln 2 / ln(high/low), nothing else does."""
    flow = perturbed(CONFIGS["brightness"])
    context, x = contexts(20), normal(20, 5)
    brighter = context.clone()
    brighter[:, -2] += math.log(2)
    u, _ = flow.unit_cube(x, context)
    moved, _ = flow.unit_cube(x, brighter)
    torch.testing.assert_close(moved[:, :4], u[:, :4])
    torch.testing.assert_close(moved[:, 4] - u[:, 4], torch.full((20,), math.log(2) / math.log(1e12)).double())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"coordinates": "log"}, "coordinates"),
        ({"activation": "sin"}, "activation"),
        ({"num_bins": 1}, "num_bins"),
        ({"transforms": 0}, "transforms"),
    ],
)
def test_wrong_configuration_is_refused(wrong: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        FlowConfig(context_size=CONTEXT, **wrong)
