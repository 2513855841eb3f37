"""The marginal likelihood against integration over the background by quadrature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.marginal import POOR, marginal_per_bin
from xspecnf.observation import Observation
from xspecnf.statistics import pgstat_per_bin

FloatArray = np.ndarray

MODELS = np.repeat(np.geomspace(0.01, 10, 25)[:, None], 144, axis=1)
"""Source counts (M, N) that few counts leave open, the same in all bins."""


def poisson(counts: FloatArray, y: FloatArray) -> FloatArray:
    """The probability of counts where y are expected, over that where the counts themselves are."""
    y = np.maximum(y, 1e-300)
    return np.exp(counts * np.log(y / np.maximum(counts, 1)) - y + counts)


def integral(model: FloatArray, counts: FloatArray, background: FloatArray, error: FloatArray) -> FloatArray:
    """-2 ln L (M, N) for source counts (M, N) of N bins, whose true background is never negative."""
    g = np.linspace(-9, 9, 4_001)
    weights = np.exp(-(g**2) / 2) / np.exp(-(g**2) / 2).sum()
    true = np.maximum(background + g[:, None] * error, 0)
    return np.array([-2 * np.log(weights @ poisson(counts, m[0] + true)) for m in model])


def poor_bins() -> tuple[FloatArray, ...]:
    """Counts (N,), background and its error, from a quarter of the error above zero to four."""
    counts, background, errors = (a.ravel() for a in np.meshgrid(np.arange(9.0), [0.02, 0.1, 0.5, 2], [0.25, 1, 2, 4]))
    return counts, background, background / errors


@pytest.mark.parametrize("systematic", [0.0, 0.015, 0.2])
def test_a_good_background_is_integrated_over_its_gaussian(systematic: float) -> None:
    """Within what Laplace's method errs by, of third order."""
    rng = np.random.default_rng(3)
    model, background = 10 ** rng.uniform(-2, 5, 1000), 10 ** rng.uniform(-2, 4, 1000)
    error = np.sqrt(background) * 10 ** rng.uniform(-1, 0.5, 1000)
    counts = rng.poisson((model + background) * rng.uniform(0.5, 1.5, 1000)).astype(float)
    y0, deviation = model + background, np.hypot(error, systematic * model)
    found = marginal_per_bin(model, counts, background, error, np.full(1000, systematic))
    normal = np.exp(-(np.linspace(-9, 9, 4_001) ** 2) / 2) * (9 / 2_000) / np.sqrt(2 * np.pi)
    with np.errstate(divide="ignore"):
        expected = -2 * np.log(normal @ poisson(counts, y0 + np.linspace(-9, 9, 4_001)[:, None] * deviation))
    some = (counts > 0) & (y0 > 6 * deviation) & (background > POOR * error) & (expected < 50)
    assert some.sum() > 100
    assert (np.abs(found - expected)[some] < 1e-6 + 0.003 / counts[some]).all()


def test_a_poor_background_is_never_negative() -> None:
    """As the model changes, weighted by what each is worth, ln L follows the integral; PGSTAT does not."""
    counts, background, error = poor_bins()
    none = np.zeros_like(counts)
    exact = integral(MODELS, counts, background, error)
    found = marginal_per_bin(MODELS, counts, background, error, none)
    profile = pgstat_per_bin(counts, MODELS, background, error)
    weights = np.exp(-(exact - exact.min(axis=0)) / 2)

    def scatter(values: FloatArray) -> FloatArray:
        deviation = (values - exact) / 2
        mean = np.average(deviation, axis=0, weights=weights)
        return np.sqrt(np.average((deviation - mean) ** 2, axis=0, weights=weights))

    np.testing.assert_allclose(scatter(found)[counts == 0], 0, atol=1e-9)
    assert scatter(found)[counts > 0].max() < 0.06
    assert np.median(scatter(found)[counts > 0]) < 0.1 * np.median(scatter(profile)[counts > 0])


def test_an_error_of_nothing_leaves_the_likelihood_of_poisson() -> None:
    counts, _, _ = poor_bins()
    none = np.zeros_like(counts)
    expected = pgstat_per_bin(counts, MODELS, none, none)
    for error in (none, none + 1e-9):
        found = marginal_per_bin(MODELS, counts, none, error, none)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_single_precision_will_do() -> None:
    arrays = (MODELS, *poor_bins(), np.full(len(poor_bins()[0]), 0.01))
    single = marginal_per_bin(*(a.astype(np.float32) for a in arrays))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, marginal_per_bin(*arrays), rtol=2e-5, atol=2e-5)


def test_an_observation_says_which_likelihood_is_its_own(synthetic: Observation) -> None:
    """They differ by what the background leaves open, and the measure of fit is PGSTAT for either."""
    profile = replace(synthetic, background_error=np.sqrt(synthetic.counts) + 1)
    marginal = replace(profile, marginal=True)
    model_counts = synthetic.counts * np.array([[0.5], [1.0], [2.0]])
    differences = np.diff([log_likelihood(model_counts, obs) for obs in (profile, marginal)], axis=0)
    assert np.ptp(differences) > 1
    np.testing.assert_array_equal(fit_statistic(model_counts, marginal), fit_statistic(model_counts, profile))
