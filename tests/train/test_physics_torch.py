"""The physics on torch tensors: the numbers of numpy, and gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from xspecnf.likelihood import log_likelihood
from xspecnf.observation import read_observation
from xspecnf.parameters import from_unit
from xspecnf.physics import MODEL_EDGES, expected_counts, photons
from xspecnf.statistics import pgstat

EDGES = np.geomspace(0.3, 10, 13)


def draws(size: int) -> np.ndarray:
    return from_unit(np.random.default_rng(1).random((size, 5)))


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
def test_torch_and_numpy_agree(precision: torch.dtype, tolerance: float) -> None:
    theta = torch.from_numpy(draws(200)).to(precision)
    found = photons(theta, MODEL_EDGES)
    expected = photons(theta.numpy(), MODEL_EDGES)
    assert found.dtype == precision
    matters = expected > 1e-6 * expected.max(axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy()[matters], expected[matters], rtol=tolerance)


def test_expected_counts_agree(example: Path) -> None:
    obs = read_observation(example)
    theta = draws(20)
    found = expected_counts(torch.from_numpy(theta), obs)
    np.testing.assert_allclose(found.numpy(), expected_counts(theta, obs), rtol=1e-10, atol=1e-300)


def test_gradients_are_those_of_finite_differences() -> None:
    """ln photons against ln theta, away from the table's nodes, where the cubic's second derivative jumps."""
    points = torch.tensor([[0.3, 2.2, 0.1, 0.4, 2e3], [1.5, 1.47, 0.5, 0.9, 1.0], [0.02, 3.3, 0.01, 0.21, 1e4]])

    def log_photons(log_theta: torch.Tensor) -> torch.Tensor:
        return photons(log_theta.exp(), EDGES).log()

    log_theta = points.double().log().requires_grad_()
    assert torch.autograd.gradcheck(log_photons, (log_theta,), eps=1e-6, atol=1e-5, rtol=1e-4)


def test_the_likelihood_has_gradients() -> None:
    """d ln L / d model counts, with and without background, counts and systematic error."""
    counts = torch.tensor([0.0, 0.0, 3.0, 50.0, 50.0, 7.0]).double()
    background = torch.tensor([0.0, 2.0, 0.0, 4.0, 4.0, -0.5]).double()
    error = torch.tensor([0.0, 1.0, 0.0, 2.0, 2.0, 0.7]).double()
    systematic = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.05, 0.05]).double()
    model = torch.tensor([[4.0, 1.5, 2.5, 40.0, 60.0, 5.0]]).double().requires_grad_()

    def statistic(m: torch.Tensor) -> torch.Tensor:
        return pgstat(counts, m, background, error, systematic=systematic)

    assert torch.autograd.gradcheck(statistic, (model,), eps=1e-6, atol=1e-6)


def test_the_gradient_leads_uphill(example: Path) -> None:
    obs = read_observation(example)
    theta = np.array([[0.12, 1.6, 0.43, 0.277, 3.9e4]])
    tensors = {name: torch.from_numpy(getattr(obs, name)) for name in ("counts", "background", "background_error")}
    log_theta = torch.from_numpy(np.log(theta)).requires_grad_()
    model = expected_counts(log_theta.exp(), obs)
    statistic = pgstat(
        tensors["counts"],
        model,
        tensors["background"],
        tensors["background_error"],
        systematic=torch.from_numpy(obs.systematic),
        good=torch.from_numpy(obs.good),
    )
    statistic.sum().backward()
    gradient = log_theta.grad
    assert gradient is not None
    step = -1e-6 * gradient.numpy() / np.abs(gradient.numpy()).max()
    uphill = log_likelihood(expected_counts(theta * np.exp(step), obs), obs)
    assert uphill[0] > log_likelihood(expected_counts(theta, obs), obs)[0]
