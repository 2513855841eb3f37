"""The whole exact path - files, physics, statistic, weights - against converged posteriors of the same likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xspecnf.importance import reweight
from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import from_unit, to_unit
from xspecnf.physics import expected_counts


def load(shared: Path, name: str) -> tuple[Observation, dict[str, np.ndarray]]:
    with np.load(shared / "gold" / f"{name}.npz") as arrays:
        gold = dict(arrays)
    obs = read_observation(
        shared / "gold" / f"{name}.pha",
        rmf=shared / "nicer" / "response" / "nicer.rmf.gz",
        arf=shared / "nicer" / "arf" / str(gold["arf"]),
        systematic=float(gold["e_sys"]),
    )
    return obs, gold


@pytest.mark.parametrize("number", [0, 3, 6, 9, 12, 15, 18, 21, 24, 27])
def test_the_statistic_at_the_best_fit(shared: Path, number: int) -> None:
    """0.02 of a statistic of ~240, at up to 1e6 counts, is what two implementations of the physics leave."""
    obs, gold = load(shared, f"syn_{number:02d}")
    counts = expected_counts(gold["best_theta"][None], obs)
    assert fit_statistic(counts, obs)[0] == pytest.approx(float(gold["best_pgstat_without_ln_term"]), abs=0.02)
    assert -2 * log_likelihood(counts, obs)[0] == pytest.approx(float(gold["best_pgstat"]), abs=0.02)


@pytest.mark.parametrize("number", [6, 15, 21, 27])
def test_reweighting_a_broad_gaussian_gives_the_posterior(shared: Path, number: int) -> None:
    obs, gold = load(shared, f"syn_{number:02d}")
    expected = to_unit(gold["samples"])
    u, log_q = gaussian_draws(expected.mean(axis=0), 1.5 * np.cov(expected.T), 2000)
    result = reweight(log_likelihood(expected_counts(from_unit(u), obs), obs), log_q)
    assert result.ess > 200
    mean = result.weights @ u
    width = np.sqrt(result.weights @ (u - mean) ** 2)
    assert np.all(np.abs(mean - expected.mean(axis=0)) < 0.25 * expected.std(axis=0))
    np.testing.assert_allclose(width, expected.std(axis=0), rtol=0.2)
    assert result.log_evidence == pytest.approx(gold["logZ_two_runs"].mean(), abs=1.5)


def gaussian_draws(mean: np.ndarray, covariance: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a Gaussian truncated to the unit cube (S, 5), and their log density (S,)."""
    root = np.linalg.cholesky(covariance)
    noise = np.random.default_rng(0).standard_normal((size, len(mean)))
    u = mean + noise @ root.T
    inside = np.all((u > 0) & (u < 1), axis=1)
    log_q = -0.5 * (noise**2).sum(axis=1) - np.log(np.diag(root)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)
    return u[inside], log_q[inside] - np.log(inside.mean())
