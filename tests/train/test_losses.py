"""What the stages minimise: zero or least at the truth, weights that add up, gradients where they belong."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from xspecnf.features import FEATURES, batch_features
from xspecnf_train.config import StageConfig, TrainConfig
from xspecnf_train.flow import FlowConfig, PosteriorFlow
from xspecnf_train.losses import LN10, decoder_loss, joint_loss, reconstruction_loss
from xspecnf_train.model import Networks

STAGE = {"epochs": 1}
TABLES = {
    "name": "tiny",
    "version": "1",
    "description": "",
    "seed": 1,
    "encoder": {"kind": "dense", "context_size": 8, "width": 8, "blocks": 1},
    "flow": {"transforms": 2, "hidden_features": 8, "num_blocks": 1},
    "decoder": {"hidden": [16], "gru_hidden": 0},
    "simulator": {},
    "rate_stage": STAGE,
    "decoder_stage": STAGE,
    "joint_stage": STAGE,
}


@pytest.fixture(scope="module")
def networks() -> Networks:
    torch.manual_seed(0)
    return Networks(TrainConfig.from_tables(TABLES))


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Features of six flat spectra, from faint to bright, with parameters and noise."""
    rng = np.random.default_rng(0)
    one = np.ones((6, 240))
    counts = rng.poisson(np.geomspace(3, 3e4, 6)[:, None] * one).astype(float)
    spectrum = batch_features(counts, 0.1 * one, 0.3 * one, 0 * one, one > 0, 1e4 * one, np.full(240, 0.04))
    u, noise = rng.random((6, 5)), rng.standard_normal((6, 5))
    return torch.from_numpy(spectrum), torch.from_numpy(u).float(), torch.from_numpy(noise).float()


def observed_log_rate(spectrum: Tensor) -> Tensor:
    """log10 of the net rates (B, 240) that the features were made of."""
    shape, total = (spectrum[:, FEATURES.index(name)] for name in ("log_shape", "log_rate"))
    return (shape + total) / math.log(10)


def loss(networks: Networks, batch: tuple[Tensor, Tensor, Tensor], **weights: float) -> float:
    spectrum, u, noise = batch
    return joint_loss(networks, spectrum, u, StageConfig(epochs=1, **weights), noise).item()  # pyright: ignore[reportArgumentType]


def test_the_flow_loss_is_the_mean_negative_log_density(networks: Networks, batch: tuple[Tensor, ...]) -> None:
    spectrum, u, _ = batch
    expected = -networks.flow.log_prob(u, networks.encoder(spectrum)).mean().item()
    assert loss(networks, batch, flow=1.0) == pytest.approx(expected, rel=1e-6)  # pyright: ignore[reportArgumentType]


def test_the_weights_add_up(networks: Networks, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    parts = [loss(networks, batch, **{name: 1.0}) for name in ("flow", "latent", "reconstruction")]
    whole = loss(networks, batch, flow=0.5, latent=2.0, reconstruction=0.1)
    assert whole == pytest.approx(0.5 * parts[0] + 2.0 * parts[1] + 0.1 * parts[2], rel=1e-5)
    assert loss(networks, batch) == 0


def test_the_latent_loss_of_the_prior_is_two(networks: Networks, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """In units of the prior's variance: two independent uniform numbers differ by sqrt 2 deviations."""
    u, other = (torch.rand(20000, 5, generator=torch.Generator().manual_seed(k)) for k in (1, 2))
    assert ((u - other) ** 2).mean().item() * 12 == pytest.approx(2, rel=0.02)
    spectrum, _, noise = batch
    sample, _ = networks.flow.sample(noise, networks.encoder(spectrum))
    truth = sample.detach().clamp(-0.2, 1.2)
    assert loss(networks, (spectrum, truth, noise), latent=1.0) == pytest.approx(0, abs=1e-10)


def test_the_reconstruction_is_a_gaussian_likelihood(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    spectrum = batch[0][3:]
    observed = observed_log_rate(spectrum)
    shape, error = (spectrum[:, FEATURES.index(name)] for name in ("log_shape", "log_error"))
    sigma = 10**error / shape.exp() / math.log(10)
    decoded = observed + 0.7 * sigma
    nats = -Normal(observed, sigma).log_prob(decoded) - 0.5 * math.log(2 * math.pi)
    assert reconstruction_loss(decoded, spectrum).item() == pytest.approx(nats.mean().item(), rel=1e-4)


def test_the_reconstruction_allows_for_the_decoders_error(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """A decoder as far off as its error is believed in costs half a nat a bin where the data are much better."""
    bright = batch[0][5:]
    observed = observed_log_rate(bright)
    shape, error = (bright[:, FEATURES.index(name)] for name in ("log_shape", "log_error"))
    sigma = ((10**error / shape.exp()) ** 2 + 0.1**2).sqrt() / math.log(10)
    least, off = (reconstruction_loss(decoded, bright, 0.1) for decoded in (observed, observed + sigma))
    assert (off - least).item() == pytest.approx(0.5, rel=1e-4)
    assert least > reconstruction_loss(observed, bright)


def test_the_reconstruction_is_least_at_the_observed_rates(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    spectrum = batch[0]
    best = observed_log_rate(spectrum)
    least = reconstruction_loss(best, spectrum)
    for shift in (-0.3, -0.01, 0.01, 0.3):
        assert reconstruction_loss(best + shift, spectrum) > least


def test_bad_bins_are_not_reconstructed(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    spectrum = batch[0].clone()
    spectrum[:, FEATURES.index("good"), 100:] = 0
    decoded = observed_log_rate(spectrum)
    spoilt = torch.cat([decoded[:, :100], decoded[:, 100:] + 5], dim=1)
    assert reconstruction_loss(spoilt, spectrum) == reconstruction_loss(decoded, spectrum)


def test_a_hopeless_start_has_a_finite_loss(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    decoded = torch.full((6, 240), -300.0, requires_grad=True)
    value = reconstruction_loss(decoded, batch[0])
    value.backward()
    assert torch.isfinite(value)
    assert decoded.grad is not None
    assert torch.isfinite(decoded.grad).all()


def test_the_decoder_loss_is_zero_at_the_truth_alone() -> None:
    log_rate = torch.linspace(-3, 2, 480).reshape(2, 240)
    assert decoder_loss(log_rate, log_rate) == 0
    assert decoder_loss(log_rate + 0.5, log_rate).item() == pytest.approx(0.25 + 0.05)
    assert decoder_loss(log_rate - 0.5, log_rate).item() == pytest.approx(0.25 + 0.05)


def test_gradients_reach_what_is_trained_alone(networks: Networks, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """The samples carry the reconstruction's gradient through the frozen decoder to flow and encoder."""
    spectrum, u, noise = batch
    networks.decoder.requires_grad_(False)
    networks.zero_grad()
    joint_loss(networks, spectrum, u, StageConfig(epochs=1, reconstruction=1.0), noise).backward()
    networks.decoder.requires_grad_(True)
    assert all(p.grad is None for p in networks.decoder.parameters())
    for module in (networks.encoder, networks.flow):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


WIDTH = 0.12
"""Standard deviation of a Gaussian posterior in the unit cube, along every parameter."""


def gaussian_networks(variance: float) -> tuple[Any, Tensor]:
    """Networks whose posterior, whatever the spectrum, is N(0.5, variance WIDTH^2), and the log-scales it follows from.

    The decoder puts u_1..5 into five bins, of the features' error.
    """
    flow = PosteriorFlow(FlowConfig(context_size=3, coordinates="cube", gaussian_head=True, transforms=0))
    head: Any = flow.transform._transforms[0]
    with torch.no_grad():
        head.output.bias[5:10] = -math.log(6 * WIDTH * math.sqrt(variance))
    return SimpleNamespace(
        encoder=lambda spectrum: torch.zeros(len(spectrum), 3),
        flow=flow,
        decoder=lambda u: torch.cat([u, torch.zeros(len(u), 235)], dim=1) / LN10,
    ), head.output.bias


def narrowed(k: float) -> float:
    """The variance v of 1 - 1/v + k v = 0."""
    return 1.0 if k == 0 else (math.sqrt(1 + 4 * k) - 1) / (2 * k)


def features_of(seen: Tensor) -> Tensor:
    """Features [B, F, 240] that show `seen` [B, 5] as ln rate in five bins, with an error of WIDTH of it."""
    spectrum = torch.zeros(len(seen), len(FEATURES), 240)
    spectrum[:, FEATURES.index("log_shape"), :5] = seen
    spectrum[:, FEATURES.index("log_error")] = (math.log(WIDTH) + spectrum[:, FEATURES.index("log_shape")]) / LN10
    spectrum[:, FEATURES.index("good")] = 1
    return spectrum


def standard_normal(seed: int) -> Tensor:
    """[2000, 5] of exactly zero mean and unit variance, so that no slope of a Gaussian's loss is left to chance."""
    z = torch.randn(1000, 5, generator=torch.Generator().manual_seed(seed))
    z = torch.cat([z, -z])
    return z / z.square().mean(dim=0).sqrt()


@pytest.mark.parametrize(
    ("weights", "k"),
    [
        ({}, 0.0),
        ({"latent": 1.0}, 4.8 * WIDTH**2),
        ({"latent": 3.0}, 3 * 4.8 * WIDTH**2),
        ({"reconstruction": 24.0}, 24 / 240),
        ({"reverse": 0.1}, 0.0),
        ({"reverse": 0.5}, 0.0),
    ],
)
def test_the_width_that_the_losses_want(weights: dict[str, float], k: float) -> None:
    """The loss is stationary where the module's formula says: narrower than the posterior, or as wide as it is."""
    truth, noise = 0.5 + WIDTH * standard_normal(4), standard_normal(5)
    spectrum = features_of(torch.full((1, 5), 0.5)).expand(len(truth), -1, -1)

    def log_likelihood(u: Tensor) -> Tensor:
        return -0.5 * ((u - 0.5) / WIDTH).square().sum(dim=1)

    def slope(variance: float) -> float:
        networks, bias = gaussian_networks(variance)
        stage = StageConfig(epochs=1, flow=1.0, **weights)  # pyright: ignore[reportArgumentType]
        joint_loss(networks, spectrum, truth, stage, noise, log_likelihood).backward()
        assert bias.grad is not None
        return bias.grad[5:10].mean().item()

    v = narrowed(k)
    assert slope(v * 0.9) > 0.05
    assert slope(v * 1.1) < -0.05
    assert slope(v) == pytest.approx(0, abs=0.02)


def test_without_noise_the_losses_see_one_point(networks: Networks, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    spectrum, u, noise = batch
    both = [loss(networks, (spectrum, u, z), latent=1.0, reconstruction=1.0, noise=0.0) for z in (noise, 3 * noise)]
    assert both[0] == both[1]
