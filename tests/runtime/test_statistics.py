"""PGSTAT against numerical minimisation over the unknown background, XSPEC's own formula and converged posteriors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.observation import Observation, read_observation
from xspecnf.physics import expected_counts
from xspecnf.statistics import FLOOR, pgstat, pgstat_per_bin

FloatArray = np.ndarray
GOLDEN = (np.sqrt(5) - 1) / 2


def minimum(function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Least value of convex functions, one per element, between `low` and `high`, by golden section."""
    for _ in range(120):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        falling = function(left) > function(right)
        low, high = np.where(falling, left, low), np.where(falling, high, right)
    return function((low + high) / 2)


def profiled(counts: FloatArray, y0: FloatArray, variance: FloatArray) -> FloatArray:
    """min over y >= 0 of 2 [y - S + S ln(S/y) + (y - y0)^2/(2 variance)]: Poisson counts, Gaussian expectation."""

    def twice_negative_log(y: FloatArray) -> FloatArray:
        logarithm = np.where(counts > 0, counts * np.log(np.where(counts > 0, counts, 1) / np.maximum(y, 1e-300)), 0)
        return 2 * (y - counts + logarithm) + (y - y0) ** 2 / variance

    return minimum(twice_negative_log, np.zeros_like(y0), np.abs(y0) + counts + 10 * np.sqrt(variance) + 10)


def random_bins(size: int, seed: int) -> tuple[FloatArray, ...]:
    """Counts, model counts, background and its error of `size` bins, faint to bright, the background negative here and
    there.
    """
    rng = np.random.default_rng(seed)
    model = 10 ** rng.uniform(-2, 5, size)
    background = 10 ** rng.uniform(-2, 4, size) * np.where(rng.random(size) < 0.1, -0.1, 1)
    error = np.sqrt(np.abs(background)) * 10 ** rng.uniform(-1, 0.5, size)
    counts = rng.poisson(np.maximum(model + background, 0) * rng.uniform(0.5, 1.5, size)).astype(float)
    return counts, model, background, error


@pytest.mark.parametrize("ratio", [1.0, 0.03, 40.0])
def test_it_is_the_least_over_the_background(ratio: float) -> None:
    counts, model, background, error = random_bins(3000, seed=1)
    background, error = background / ratio, error / ratio
    found = pgstat_per_bin(counts, model, background, error, ratio)
    expected = profiled(counts, model + ratio * background, (ratio * error) ** 2)
    some = counts > 0
    np.testing.assert_allclose(found[some], expected[some], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("systematic", [1e-3, 0.015, 0.2])
def test_a_systematic_error_widens_the_gaussian(systematic: float) -> None:
    """With it, bins without counts are held at an expectation of zero too, and the variance's logarithm counts."""
    counts, model, background, error = random_bins(3000, seed=2)
    error[::5] = 0.0
    variance = error**2 + (systematic * model) ** 2
    found = pgstat_per_bin(counts, model, background, error, systematic=systematic)
    y0 = model + background
    a = y0 - variance
    root = np.sqrt(a**2 + 4 * counts * variance)
    y = np.where(a > 0, (a + root) / 2, 2 * counts * variance / (root + np.abs(a)))  # the same root, without cancelling
    y = np.maximum(y, FLOOR)
    logarithm = np.log((y + variance) / (y + error**2))
    np.testing.assert_allclose(found - logarithm, profiled(counts, y0, variance), rtol=1e-6, atol=1e-6)


def xspec(s: float, m: float, b: float, sigma: float, t_s: float, t_b: float) -> float:
    """XSPEC's PGSTAT of one bin, from its manual: m a rate, b and sigma counts of the background's exposure."""
    if sigma == 0:
        expected = max(m + b / t_b, 1e-5 / t_s)
        return 2 * (t_s * expected + (s * (np.log(s) - np.log(t_s * expected) - 1) if s > 0 else 0))
    if s == 0:
        return 2 * (t_s * m + b * t_s / t_b - (sigma * t_s / t_b) ** 2 / 2)
    linear = t_s * sigma**2 - t_b * b + t_b**2 * m
    constant = t_s * sigma**2 * m - s * sigma**2 - t_b * b * m
    q = -(linear + np.copysign(np.sqrt(linear**2 - 4 * t_b**2 * constant), linear)) / 2
    f = q / t_b**2
    f = constant / q if f < 0 else f
    total = t_s * (m + f)
    return 2 * (total - s * np.log(total) + (b - t_b * f) ** 2 / (2 * sigma**2) - s * (1 - np.log(s)))


@pytest.mark.parametrize(("t_s", "t_b"), [(100.0, 100.0), (60.0, 803.0), (2000.0, 30.0)])
def test_it_is_xspecs(t_s: float, t_b: float) -> None:
    grid = itertools.product([0.0, 1.0, 7.0, 400.0, 3e5], [1e-3, 0.5, 40.0, 3e5], [0.0, 3.0, 250.0], [0.0, 0.7, 20.0])
    for s, model, b, sigma in grid:
        found = pgstat_per_bin(*(np.array([x]) for x in (s, model, b, sigma)), exposure_ratio=t_s / t_b)
        assert found[0] == pytest.approx(xspec(s, model / t_s, b, sigma, t_s, t_b), rel=1e-8, abs=2e-6)


def test_no_background_is_cash() -> None:
    counts, model = np.array([0.0, 1.0, 5.0, 1000.0]), np.array([2.0, 3.0, 5.0, 900.0])
    logarithm = counts[1:] * np.log(counts[1:] / model[1:])
    expected = 2 * (model.sum() - counts.sum() + logarithm.sum())
    assert pgstat(counts, model, np.zeros(4), np.zeros(4)) == pytest.approx(expected)


@pytest.mark.parametrize("systematic", [0.0, 0.015])
@pytest.mark.parametrize("error", [0.0, 1.0, 30.0])
def test_single_precision_will_do_at_a_hundred_million_counts(systematic: float, error: float) -> None:
    """A spectrum's statistic to 0.01, where a difference of one is one standard deviation."""
    rng = np.random.default_rng(9)
    model = 1e6 * 10 ** rng.uniform(-4, 0, (50, 240))
    width = np.sqrt(model + 3 + error**2 + (systematic * model) ** 2)
    counts = np.maximum(np.round(model + 3 + width * rng.standard_normal(model.shape)), 0)
    arrays = (counts, model, np.full(240, 3.0), np.full(240, error))
    single = pgstat(*(x.astype(np.float32) for x in arrays), systematic=systematic)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, pgstat(*arrays, systematic=systematic), atol=0.01)


def test_a_model_beyond_all_reason_has_a_number_in_either_precision() -> None:
    model, counts = np.full(240, 1e30), np.zeros(240)
    for precision in (np.float32, np.float64):
        arrays = (x.astype(precision) for x in (counts, model, np.full(240, 3.0), np.ones(240)))
        assert 0 < pgstat(*arrays, systematic=0.1) < np.inf


def test_a_perfect_model_has_no_statistic() -> None:
    counts = np.array([3.0, 50.0, 1e8])
    for error in (0.0, 4.0):
        assert pgstat(counts, counts - 2, np.full(3, 2.0), np.full(3, error)) == pytest.approx(0, abs=1e-6)


def test_an_expectation_below_zero_is_held_above_it() -> None:
    """A background known exactly and negative, as a subtraction can leave it."""
    bins = pgstat_per_bin(np.array([0.0, 4.0]), np.ones(2), np.full(2, -3.0), np.zeros(2))
    np.testing.assert_allclose(bins, [2 * FLOOR, 2 * (FLOOR - 4 + 4 * np.log(4 / FLOOR))])


def test_the_background_scales_with_the_exposure() -> None:
    counts, model, background, error = random_bins(500, seed=3)
    for systematic in (0.0, 0.02):
        scaled = pgstat(counts, model, 0.2 * background, 0.2 * error, systematic=systematic)
        assert pgstat(counts, model, background, error, 0.2, systematic) == pytest.approx(scaled, rel=1e-12)


def test_shapes_broadcast() -> None:
    counts, model, background, error = random_bins(30, seed=4)
    many = model * np.linspace(0.5, 2, 12).reshape(4, 3, 1)
    found = pgstat(counts, many, background, error, systematic=0.01)
    assert found.shape == (4, 3)
    assert found[2, 1] == pytest.approx(pgstat(counts, many[2, 1], background, error, systematic=0.01))
    ratios, errors = np.full(30, 0.5), np.full(30, 0.01)
    np.testing.assert_allclose(
        pgstat(counts, many, background, error, ratios, errors), pgstat(counts, many, background, error, 0.5, 0.01)
    )


def test_bad_bins_do_not_count() -> None:
    counts, model, background, error = random_bins(100, seed=5)
    good = np.arange(100) % 3 > 0
    spoilt = np.where(good, counts, 1e9)
    kept = pgstat(counts[good], model[good], background[good], error[good], systematic=0.03)
    assert pgstat(spoilt, model, background, error, systematic=0.03, good=good) == pytest.approx(kept)
    assert pgstat(counts, model, background, error, good=np.zeros(100, dtype=bool)) == 0


def test_every_bin_has_a_number() -> None:
    """Also where absorption leaves 1e-300 counts, or a background file has no errors."""
    grid = itertools.product(
        [0, 1, 1e4, 1e9], [0, 1e-300, 1e-20, 1e-3, 1, 1e9], [-5, 0, 1e-9, 7, 1e8], [0, 1e-9, 3, 1e5]
    )
    counts, model, background, error = np.array(list(grid), dtype=float).T
    for systematic in (0.0, 0.015):
        found = pgstat_per_bin(counts, model, background, error, systematic=systematic)
        assert np.isfinite(found).all()
        assert np.all(found[counts > 0] > -60)  # the logarithm alone is negative, by the floor's depth at most


@pytest.mark.parametrize("error", [1e10, 1e17])
def test_an_absurd_error_says_nothing_in_single_precision(synthetic: Observation, error: float) -> None:
    """As a damaged file may state it: no warning, and a statistic near zero."""
    vague = replace(synthetic, background_error=np.full(len(synthetic.counts), error))
    assert np.all(np.abs(fit_statistic(np.full((2, 240), 1e4, dtype=np.float32), vague)) < 1e-3)


GOLD = [f"syn_{k:02d}" for k in range(0, 30, 3)] + [
    f"real_{name}_{error}"
    for name in ("1050360103_GTI1", "1130360158_GTI2", "1130360197_GTI0", "1130360231_GTI0", "2130360206_GTI0")
    for error in ("e0", "e015")
]
# -2 ln L differs by this at most over the posterior. The exceptions: two spectra whose gold model is 3e-4 and 9e-4
# fainter than the equations solved at those very parameters (kT_disk < 0.2 keV, Gamma 1.6), at 5e5 and 1e3 counts; and
# one that the model does not fit (statistic 2e4).
TOLERANCE = 0.2
WIDER = {"real_1050360103_GTI1": 2.0, "real_1130360197_GTI0": 1.0, "real_2130360206_GTI0": 2.0}


def gold_observation(shared: Path, name: str, gold: dict[str, FloatArray]) -> Observation:
    if name.startswith("syn"):
        path = shared / "gold" / f"{name}.pha"
    else:
        _, number, interval, _ = name.split("_")
        path = shared / "nicer" / "maxi_j1535" / number / f"js_ni{number}_0mpu7_silver_{interval}.jsgrp"
    arf = shared / "nicer" / "arf" / str(gold["arf"])
    rmf = shared / "nicer" / "response" / "nicer.rmf.gz"
    return read_observation(path, rmf=rmf, arf=arf, systematic=float(gold["e_sys"]))


@pytest.mark.parametrize("name", GOLD)
def test_the_likelihood_of_a_converged_posterior(shared: Path, name: str) -> None:
    """An independent program's file reading, physics and statistic, at 200 samples of the posterior."""
    with np.load(shared / "gold" / f"{name}.npz") as arrays:
        gold = dict(arrays)
    obs = gold_observation(shared, name, gold)
    ratio = gold["exposure"] / gold["background_exposure"]
    np.testing.assert_array_equal(obs.counts, gold["counts"])
    np.testing.assert_allclose(obs.background, ratio * gold["background"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(obs.background_error, ratio * gold["background_error"], rtol=1e-12, atol=1e-12)
    theta, expected = gold["samples"][::20], gold["log_like"][::20]
    found = log_likelihood(expected_counts(theta, obs), obs)
    difference = -2 * (found - expected)
    tolerance = WIDER.get(name.rpartition("_")[0], TOLERANCE)
    assert np.abs(difference).max() < tolerance
    assert np.sqrt(np.mean(difference**2)) < tolerance / 2


def test_a_count_in_an_all_but_empty_bin_costs_what_it_should() -> None:
    """A floor on the expectation would make the background's tiny error pay for it: 1e10 instead of 45."""
    arguments = (np.array([1.0]), np.array([1e-12]), np.zeros(1), np.array([1e-10]))
    y = np.linspace(1e-11, 1e-9, 200_001)
    profiled = 2 * (y - 1 - np.log(y)) + (y - 1e-12) ** 2 / 1e-20
    assert pgstat(*arguments) == pytest.approx(profiled.min(), rel=1e-6)
