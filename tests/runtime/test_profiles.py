"""Profile intervals: against the curvature where that is exact, against brute force where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xspecnf.bestfit import BestFit, fit
from xspecnf.likelihood import log_likelihood
from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import from_unit, to_unit
from xspecnf.physics import expected_counts
from xspecnf.profiles import BetterFit, Held, profile
from xspecnf.simulation import Setup, simulate_file

from .test_gold import load


@pytest.fixture(scope="module")
def bright(synthetic: Observation) -> Observation:
    """The expectation itself, of a hundred times the exposure: the posterior is a Gaussian about the truth."""
    expected = expected_counts(np.array([[0.6, 2.6, 0.03, 0.32, 1e4]]), synthetic)[0] + synthetic.background
    counts, background = 100 * expected, 100 * synthetic.background
    return replace(synthetic, counts=counts, background=background, exposure=100 * synthetic.exposure)


def test_a_parabola_has_the_curvature_s_interval(bright: Observation) -> None:
    best = fit(bright)
    for delta in (1.0, 2.706):
        _, [found] = profile(bright, best, [delta])
        half = (to_unit(found.interval.T) - best.u) / best.sigma
        np.testing.assert_allclose(half, np.sqrt(delta) * np.array([[-1] * 5, [1] * 5]), rtol=0.05)
        assert not found.bounded.any()


def test_the_statistic_rises_by_delta_at_the_ends(synthetic: Observation) -> None:
    """Minimised by brute force, by a fit of the four other parameters from many points around the end."""
    best = fit(synthetic)
    _, [found] = profile(synthetic, best, [1.0])
    for index in (0, 4):
        for end in range(2):
            value = to_unit(np.where(np.arange(5) == index, found.interval[index, end], best.theta))[index]
            assert _minimum(synthetic, best, index, value) - best.statistic == pytest.approx(1, abs=0.03)


def _minimum(obs: Observation, best: BestFit, index: int, value: float) -> float:
    """The least -2 ln L with one parameter held, by random descent from the best fit along the covariance."""
    rng = np.random.default_rng(4)
    free = np.arange(5) != index
    shift = best.covariance[:, index] / best.covariance[index, index] * (value - best.u[index])
    centre, spread = best.u + shift, 0.3
    root = np.linalg.cholesky(best.covariance[np.ix_(free, free)])
    for _ in range(25):
        trial = np.tile(centre, (60, 1))
        trial[1:, free] += spread * rng.standard_normal((59, 4)) @ root.T
        values = -2 * log_likelihood(expected_counts(from_unit(np.clip(trial, 0, 1)), obs), obs)
        spread *= 0.7 if np.argmin(values) == 0 else 1.0
        centre = trial[np.argmin(values)]
    return float(values.min())


def test_a_held_parameter_stays(synthetic: Observation) -> None:
    best = fit(synthetic)
    x = np.random.default_rng(0).standard_normal((4, 5))
    for index in range(5):
        value = best.u[index] * 0.99
        np.testing.assert_allclose(Held(best, synthetic, index, value).at(x).u[:, index], value, rtol=1e-9)


def test_an_end_without_a_rise_is_the_bound(shared: Path) -> None:
    """A spectrum whose scattered component is not seen: its slope is anything."""
    obs, _ = load(shared, "syn_24")
    _, [found] = profile(obs, fit(obs), [1.0])
    assert found.bounded[1].all()
    np.testing.assert_allclose(found.interval[1], [1.3, 4.0])
    assert not found.bounded[0].any()


@pytest.mark.parametrize("seed", [2, 3])
def test_intervals_of_a_bent_profile_contain_one_another(example: Path, tmp_path: Path, seed: int) -> None:
    """Some 700 counts of a cool absorbed disc, whose temperature and norm trade over decades."""
    rmf, arf = example.with_suffix(".rmf.gz"), example.with_suffix(".arf")
    cool = Setup((1.0, 2.5, 0.02, 0.06, 3e5), exposure=1000.0, rmf_file=rmf, arf_file=arf)
    simulate_file(cool, tmp_path / "cool.pha", seed)
    obs = read_observation(tmp_path / "cool.pha")
    best, (inner, outer) = profile(obs, fit(obs), [1.0, 2.706])
    low, high = inner.interval.T
    widest_low, widest_high = outer.interval.T
    in_order = np.array([widest_low, low, best.theta, high, widest_high])
    assert np.all(np.diff(in_order, axis=0) >= 0)


def test_a_better_fit_on_the_way_is_taken(synthetic: Observation) -> None:
    best = fit(synthetic)
    off = replace(best, theta=tuple(from_unit(best.u + 0.3 * best.sigma).tolist()), statistic=best.statistic + 5)
    better, [found] = profile(synthetic, off, [1.0])
    assert better.statistic == pytest.approx(best.statistic, abs=0.05)
    assert np.all((found.interval[:, 0] < best.theta) & (best.theta < found.interval[:, 1]))


def test_a_better_fit_on_the_way_keeps_the_other_minima(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun from the second of two minima, which is then the other one."""
    obs, _ = load(shared, "syn_09")
    best = fit(obs)
    second = best.others[0]
    off = replace(best, theta=second.theta, statistic=second.statistic, others=())

    def find(obs: Observation, given: BestFit, delta: float) -> None:
        if given is off:
            raise BetterFit(best.u)

    monkeypatch.setattr("xspecnf.profiles._profile", find)
    better, _ = profile(obs, off, [1.0])
    assert better.statistic == pytest.approx(best.statistic, abs=0.05)
    assert any(other.statistic == pytest.approx(second.statistic, abs=0.05) for other in better.others)


def test_a_rise_is_positive(synthetic: Observation) -> None:
    with pytest.raises(ValueError, match="delta must be positive"):
        profile(synthetic, fit(synthetic), [0.0])
