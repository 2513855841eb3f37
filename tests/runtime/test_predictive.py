"""Posterior predictive checks: p-values uniform where the model is true, tiny where it is not, and where to look."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from xspecnf.likelihood import fit_statistic
from xspecnf.model import load_model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.physics import expected_counts
from xspecnf.predictive import check_draws, largest, poisson, predictive_check, replicated, residuals, tail_probability
from xspecnf.target import Target

TRUTH = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])
ONE = np.ones(1)


def observed(obs: Observation, systematic: float, error: float, seed: int) -> Observation:
    """TRUTH as seen under the likelihood's own assumptions."""
    noisy = replace(obs, systematic=np.full(240, systematic), background_error=np.full(240, error))
    rng = np.random.default_rng(seed)
    return replace(noisy, counts=replicated(expected_counts(TRUTH, noisy), noisy, rng)[0])


@pytest.mark.parametrize(("systematic", "error"), [(0.0, 0.0), (0.03, 0.0), (0.0, 5.0), (0.02, 2.0)])
def test_p_values_are_uniform_where_the_model_is_true(synthetic: Observation, systematic: float, error: float) -> None:
    rng = np.random.default_rng(1)
    p = []
    for seed in range(100):
        obs = observed(synthetic, systematic, error, seed)
        check = predictive_check(expected_counts(TRUTH, obs), ONE, obs, rng)
        p.append((check.p_total, check.p_local))
    ranks = np.sort(p, axis=0)
    distance = np.abs(ranks - (np.arange(100)[:, None] + 0.5) / 100).max(axis=0)
    assert np.all(distance < 0.19)  # Kolmogorov's at a probability of 0.001


def test_with_few_counts_the_statistic_is_not_chi2_and_p_is_still_right(synthetic: Observation) -> None:
    """240 degrees of freedom would call every faint spectrum too good, and miss a bad one."""
    faint = replace(synthetic, exposure=2e-4 * synthetic.exposure, background=np.zeros(240))
    expected = expected_counts(TRUTH, faint)
    rng = np.random.default_rng(2)
    p = []
    for _ in range(50):
        obs = replace(faint, counts=replicated(expected, faint, rng)[0])
        assert fit_statistic(expected, obs)[0] < 240 - 2 * np.sqrt(480)
        p.append(predictive_check(expected, ONE, obs, rng).p_total)
    assert 0.35 < np.mean(p) < 0.65


def test_a_line_is_found_where_it_is(synthetic: Observation) -> None:
    """Three sigma in each of four bins: hardly seen in the sum over all, unmistakable in the largest residual."""
    expected = expected_counts(TRUTH, synthetic)
    line = np.zeros(240)
    line[60:64] = np.round(3 * np.sqrt(expected[0, 60:64] + 1))
    checks = []
    for seed in range(20):
        obs = observed(synthetic, 0.0, 0.0, seed)
        with_line = replace(obs, counts=obs.counts + line)
        checks.append(predictive_check(expected, ONE, with_line, np.random.default_rng(seed)))
    lo, hi = synthetic.energy_hi[60], synthetic.energy_lo[63]
    there = [check.residual.energy_lo < lo and check.residual.energy_hi > hi for check in checks]
    assert np.mean(there) >= 0.95
    assert np.median([check.residual.sigma for check in checks]) > 5
    assert np.median([check.p_local for check in checks]) < 1e-4
    assert np.mean([check.p_local < 0.1 * check.p_total for check in checks]) >= 0.9


@pytest.mark.parametrize("expected", [0.3, 19.0, 21.0, 60.0, 3e4])
def test_counts_have_the_moments_of_poissons_law(expected: float) -> None:
    size = 400_000
    for precision in (np.float32, np.float64):
        counts = poisson(np.full(size, expected, dtype=precision), np.random.default_rng(10)).astype(float)
        assert np.all((counts >= 0) & (counts == np.rint(counts)))
        assert counts.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / size))
        away = (counts - expected) / np.sqrt(expected)
        assert np.mean(away**2) == pytest.approx(1, abs=4 * np.sqrt((2 + 1 / expected) / size))
        assert np.mean(away**3) == pytest.approx(expected**-0.5, abs=4 * np.sqrt((15 + 25 / expected) / size))


@pytest.mark.parametrize("scale", [1.0, 3.0, 10.0])
def test_background_errors_that_are_too_large_are_told_from_a_misfit(synthetic: Observation, scale: float) -> None:
    """Few counts over a background that is said to be known to no better than `scale` of it, and is known well."""
    background = np.full(240, 1.0)
    faint = replace(
        synthetic, exposure=2e-4 * synthetic.exposure, background=background, background_error=scale * background
    )
    expected = expected_counts(TRUTH, faint)
    rng = np.random.default_rng(3)
    obs = replace(faint, counts=rng.poisson(expected[0] + background).astype(float))
    check = predictive_check(expected, ONE, obs, rng)
    assert check.p_total > 0.99
    assert check.p_local > 0.01


def test_the_tail_does_not_hang_on_the_replicates(synthetic: Observation) -> None:
    """Of data that scatter a tenth less than they should, by chi2's law; few replicates leave it open by decades."""
    expected = expected_counts(TRUTH, synthetic)
    y = expected[0] + synthetic.background
    z = np.random.default_rng(4).standard_normal(240)
    obs = replace(synthetic, counts=np.rint(y + z / np.sqrt(np.mean(z**2)) * np.sqrt(0.75 * y)))
    obs = replace(obs, background_error=np.zeros(240))
    exact = chi2.cdf(fit_statistic(expected, obs)[0], 240)
    found = [1 - predictive_check(expected, ONE, obs, np.random.default_rng(seed)).p_total for seed in range(12)]
    assert 1e-4 < exact < 0.01
    np.testing.assert_allclose(np.log10(found), np.log10(exact), atol=0.5)


def test_bad_bins_say_nothing(synthetic: Observation) -> None:
    obs = observed(synthetic, 0.0, 0.0, 5)
    good = np.arange(240) >= 10
    spoilt = replace(obs, counts=np.where(good, obs.counts, 1e6), good=good)
    check = predictive_check(expected_counts(TRUTH, obs), ONE, spoilt, np.random.default_rng(6))
    assert min(check.p_total, check.p_local) > 0.01
    narrow = residuals(spoilt.counts, expected_counts(TRUTH, obs), spoilt)[0]
    assert np.all(narrow[0, :9] == 0)
    assert np.all(narrow[0, 9:] != 0)


def test_no_counts_at_all_fit_no_source(synthetic: Observation) -> None:
    empty = replace(synthetic, counts=np.zeros(240), background=np.zeros(240))
    check = predictive_check(np.full((1, 240), 1e-6), ONE, empty, np.random.default_rng(0))
    assert min(check.p_total, check.p_local) > 0.01


def test_a_residual_is_the_sum_over_a_window_in_its_standard_deviation(synthetic: Observation) -> None:
    obs = replace(synthetic, background=np.zeros(240), counts=np.full(240, 100.0))
    expected = np.full((2, 240), 100.0)
    expected[1, 100:108] = 110.0
    np.testing.assert_allclose(largest(residuals(obs.counts, expected, obs)), [0, 80 / np.sqrt(880)])


@pytest.mark.parametrize("degrees", [10, 240])
def test_the_tail_is_chi2s(degrees: int) -> None:
    """Where 200 replicates hardly reach: p at the value that chi2 exceeds with a probability of 0.001."""
    rng = np.random.default_rng(7)
    limit = np.quantile(rng.chisquare(degrees, 1_000_000), 0.999)
    p = [tail_probability(rng.chisquare(degrees, 200) - limit) for _ in range(200)]
    assert 0.0005 < np.median(p) < 0.002


@pytest.mark.parametrize(("value", "p"), [(1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0)])
def test_replicates_without_scatter(value: float, p: float) -> None:
    assert tail_probability(np.full(10, value)) == p


def test_draws_that_miss_the_peak_do_not_make_a_misfit(synthetic: Observation) -> None:
    """The model is true, the draws are a per cent off: the peak, not they, tells."""
    u = to_unit(TRUTH, BHB_PARAMETERS) + 0.01
    counts = expected_counts(from_unit(u, BHB_PARAMETERS), synthetic)
    alone = predictive_check(counts, ONE, synthetic, np.random.default_rng(8))
    target = Target(synthetic, BHB_PARAMETERS, partial(expected_counts, obs=synthetic))
    check, efficiency = check_draws(target, u, counts, np.zeros(1), np.random.default_rng(8))
    assert efficiency == 1
    assert check is not None
    assert alone.p_total < 1e-4 < 0.01 < check.p_total
    assert check.statistic < alone.statistic - 20


def test_infer_reports_the_check(tiny_bundle: Path, synthetic: Observation) -> None:
    model = load_model(tiny_bundle, "cpu")
    first, again = model.infer(synthetic, 50, seed=3).diagnostics, model.infer(synthetic, 50, seed=3).diagnostics
    assert first.predictive is not None
    assert first.predictive == again.predictive
    assert first.predictive != model.infer(synthetic, 50, seed=4).diagnostics.predictive
