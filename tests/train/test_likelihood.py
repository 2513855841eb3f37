"""The likelihood on tensors against the runtime's, spectrum by spectrum, and its gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from xspecnf.likelihood import log_likelihood
from xspecnf.observation import read_observation
from xspecnf.parameters import from_unit
from xspecnf.physics import expected_counts
from xspecnf.response import Response
from xspecnf_train.likelihood import Likelihood, physical
from xspecnf_train.simulate import Batch, Simulator, SimulatorConfig


@pytest.fixture(scope="module")
def response(example: Path) -> Response:
    return read_observation(example).response


@pytest.fixture(scope="module")
def batch(response: Response) -> Batch:
    return Simulator(SimulatorConfig(pool=200), response, seed=1).draw(30, np.random.default_rng(2))


def test_it_is_the_runtimes(batch: Batch, response: Response) -> None:
    """At the truth and beside it, in float32: to a thousandth of a nat, or of the value where the fit is hopeless."""
    beside = np.clip(batch.u + 0.02 * np.random.default_rng(3).standard_normal(batch.u.shape), 0, 1)
    for u in (batch.u, beside):
        found = Likelihood.of(response)(torch.from_numpy(u).float(), batch)
        each = zip(u, batch.observations(response), strict=True)
        expected = [log_likelihood(expected_counts(from_unit(row[None]), obs), obs)[0] for row, obs in each]
        np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3, atol=0.02)


def test_physical_parameters_are_the_runtimes() -> None:
    u = np.random.default_rng(0).random((20, 5))
    np.testing.assert_allclose(physical(torch.from_numpy(u)).numpy(), from_unit(u), rtol=1e-12)


def test_every_sample_has_a_value_and_a_gradient(batch: Batch, response: Response) -> None:
    """Also where nothing comes through the absorption, and where norm is beyond the prior."""
    u = torch.from_numpy(batch.u).float()
    u[:10, 0], u[10:20, 4], u[20:, 2] = 1.0, 1.1, 0.0
    u.requires_grad_(True)
    value = Likelihood.of(response)(u, batch)
    value.sum().backward()
    assert value.isfinite().all()
    assert u.grad is not None
    assert u.grad.isfinite().all()
