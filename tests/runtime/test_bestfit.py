"""The maximum-likelihood fit and its errors: on spectra whose truth is known, and on ones that others have fitted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import xspecnf
from xspecnf.bestfit import BestFit, Likelihood, _starts, fit
from xspecnf.errors import InputError
from xspecnf.likelihood import log_likelihood
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.physics import expected_counts

from .conftest import TRUTH
from .test_gold import load


@pytest.fixture(scope="module")
def best(synthetic: Observation) -> BestFit:
    return fit(synthetic)


def statistic(theta: np.ndarray, obs: Observation) -> np.ndarray:
    """-2 ln L (S,) of theta (S, 5)."""
    return -2 * log_likelihood(expected_counts(theta, obs), obs)


def test_no_point_around_the_fit_is_better(synthetic: Observation, best: BestFit) -> None:
    assert statistic(np.array([best.theta]), synthetic)[0] == pytest.approx(best.statistic)
    steps = np.random.default_rng(1).multivariate_normal(np.zeros(5), best.covariance, 300)
    for scale in (1.0, 0.1):
        around = from_unit(np.clip(best.u + scale * steps, 0, 1))
        assert statistic(around, synthetic).min() > best.statistic - 1e-3


def test_the_truth_is_within_the_errors(synthetic: Observation, best: BestFit) -> None:
    away = to_unit(TRUTH)[0] - best.u
    assert away @ np.linalg.solve(best.covariance, away) < 20.5  # 99.9 % of chi2 with five degrees of freedom
    rise = statistic(TRUTH, synthetic)[0] - best.statistic
    assert rise == pytest.approx(away @ np.linalg.solve(best.covariance, away), rel=0.2, abs=0.5)


def test_the_start_does_not_matter(synthetic: Observation, best: BestFit) -> None:
    candidates = np.random.default_rng(2).random((50, 5))
    assert fit(synthetic, candidates, scattered=0).statistic == pytest.approx(best.statistic, abs=0.05)
    assert fit(synthetic).theta == best.theta


def test_iterations_bound_the_work(synthetic: Observation, best: BestFit) -> None:
    start = best.u[None] + np.array([0.1, -0.1, 0.05, 0.05, 0.02])
    few, many = (fit(synthetic, start, iterations=iterations) for iterations in (1, 130))
    assert few.evaluations < many.evaluations
    assert few.statistic > many.statistic + 1
    assert many.statistic == pytest.approx(best.statistic, abs=0.01)


def test_the_figures_belong_to_the_observation(synthetic: Observation, best: BestFit) -> None:
    assert (best.bins, best.dof) == (240, 235)
    assert best.counts == round(synthetic.counts.sum())
    assert best.pgstat == pytest.approx(best.statistic)  # no systematic error: no normalisation term
    assert best.pgstat / best.dof == pytest.approx(1, abs=0.3)
    np.testing.assert_allclose(best.interval(4.0)[:, 1] > best.interval(1.0)[:, 1], True)


def test_the_errors_are_those_of_repeated_experiments(synthetic: Observation, best: BestFit) -> None:
    """Fits of Poisson copies of the best model scatter as the covariance says."""
    expected = expected_counts(np.array([best.theta]), synthetic)[0] + synthetic.background
    rng = np.random.default_rng(3)
    copies = [replace(synthetic, counts=rng.poisson(expected).astype(float)) for _ in range(40)]
    pulls = np.array([(fit(copy, best.u[None], scattered=0).u - best.u) / best.sigma for copy in copies])
    assert np.all(np.abs(pulls.mean(axis=0)) < 0.6)
    assert np.all((pulls.std(axis=0) > 0.7) & (pulls.std(axis=0) < 1.4))


def test_a_parameter_on_its_bound_is_left_out(synthetic: Observation) -> None:
    """A source without a scattered component drives f_sc to its lower bound."""
    theta = TRUTH.copy()
    theta[0, 2] = 1e-3
    bare = expected_counts(theta, synthetic)[0] * 0.999 + synthetic.background
    found = fit(replace(synthetic, counts=bare))
    assert "f_sc" in found.on_bound
    lost = [parameter.name in found.on_bound for parameter in BHB_PARAMETERS]
    assert np.array_equal(np.isnan(found.interval()).all(axis=1), lost)
    assert np.all(np.isfinite(found.sigma) == ~np.array(lost))


def test_without_a_good_bin_there_is_nothing_to_fit(synthetic: Observation) -> None:
    with pytest.raises(InputError, match="every bin holds channels of bad quality"):
        fit(replace(synthetic, good=np.zeros(240, dtype=bool)))


def test_two_minima_are_both_told(shared: Path) -> None:
    """A cool and a hot disc that fit equally well to a few counts, with a barrier between them."""
    obs, _ = load(shared, "syn_09")
    found = fit(obs)
    assert found.others
    assert all(0 < other.statistic - found.statistic < 10 for other in found.others)
    temperatures = [found.theta[3], *(other.theta[3] for other in found.others)]
    assert max(temperatures) > 2 * min(temperatures)
    for other in found.others:
        assert statistic(np.array([other.theta]), obs)[0] == pytest.approx(other.statistic, abs=1e-3)


@pytest.mark.parametrize("number", [0, 3, 6, 9, 12, 15, 18, 21, 24, 27])
def test_the_known_best_statistic_is_reached(shared: Path, number: int) -> None:
    obs, gold = load(shared, f"syn_{number:02d}")
    assert fit(obs).statistic < float(gold["best_pgstat"]) + 0.1


def test_candidates_that_are_better_than_scattered_points_are_started_from(
    synthetic: Observation, best: BestFit
) -> None:
    likelihood = Likelihood(synthetic, BHB_PARAMETERS, partial(expected_counts, obs=synthetic))
    scattered = _starts(likelihood, None, 1000)
    (candidate,) = likelihood.at_unit(best.u[None]).x
    starts = _starts(likelihood, best.u[None], 1000)
    assert np.any(np.all(np.isclose(starts, candidate), axis=1))
    assert len(starts) == len(scattered)


def test_a_model_starts_from_its_posterior(tiny_bundle: Path, synthetic: Observation, best: BestFit) -> None:
    model = xspecnf.load_model(tiny_bundle)
    found = model.fit(synthetic, seed=1)
    assert found.statistic == pytest.approx(best.statistic, abs=0.05)
    assert model.fit(synthetic, seed=1).theta == found.theta


def test_the_likelihood_is_a_density_without_volume(synthetic: Observation) -> None:
    likelihood = Likelihood(synthetic, BHB_PARAMETERS, partial(expected_counts, obs=synthetic))
    points = likelihood.at(np.random.default_rng(0).standard_normal((5, 5)))
    expected = log_likelihood(expected_counts(from_unit(points.u), synthetic), synthetic)
    np.testing.assert_allclose(points.log_density, expected, rtol=1e-9)
    np.testing.assert_allclose(likelihood.at_unit(points.u).log_density, expected, rtol=1e-9)
