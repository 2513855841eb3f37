"""The ensemble sampler on densities whose moments are known, and the diagnostics on chains whose worth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xspecnf.convergence import effective_size, split_rhat
from xspecnf.mcmc import ENSEMBLES, LEAST_ESS, MAX_SWEEPS, WALKERS, Chain, _independent, sample
from xspecnf.mixture import StudentMixture, fit

D = 5
WIDE = StudentMixture(np.ones(1), np.zeros((1, D)), 3 * np.eye(D)[None])
ROOT = np.tril(np.random.default_rng(7).normal(size=(D, D))) + np.diag([1.0, 0.01, 1.0, 5.0, 0.1])


def run(
    log_density: Callable, start: np.ndarray, ess: float = 2000, jumps: StudentMixture = WIDE, seed: int = 0
) -> Chain:
    return sample(log_density, start, jumps, ess, np.random.default_rng(seed))


def starts(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((ENSEMBLES * WALKERS, D))


def moments_within(values: np.ndarray, mean: float, variance: float, ess: float) -> bool:
    """Both moments of a normal variable within four of their Monte Carlo errors."""
    away = abs(values.mean() - mean) < 4 * np.sqrt(variance / ess)
    return bool(away and abs(values.var() / variance - 1) < 4 * np.sqrt(2 / ess))


# diagnostics


def autoregressive(correlation: float, draws: int, chains: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((draws, chains))
    x = noise.copy()
    for k in range(1, draws):
        x[k] = correlation * x[k - 1] + np.sqrt(1 - correlation**2) * noise[k]
    return x


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregressive_process(correlation: float) -> None:
    """Its autocorrelation time is (1 + r)/(1 - r)."""
    expected = 4000 * 8 * (1 - correlation) / (1 + correlation)
    assert effective_size(autoregressive(correlation, 4000, 8)) == pytest.approx(expected, rel=0.1)


def test_rhat_sees_a_displaced_a_wider_and_a_drifting_chain() -> None:
    x = autoregressive(0, 1000, 4)
    assert split_rhat(x) < 1.01
    assert split_rhat(x + np.array([0, 0, 0, 0.5])) > 1.02
    assert split_rhat(x * np.array([1, 1, 1, 2])) > 1.02
    assert split_rhat(x + np.linspace(0, 1, 1000)[:, None]) > 1.02
    assert split_rhat(np.exp(20 * x)) == pytest.approx(split_rhat(x), abs=1e-3)


def test_walkers_that_never_move_have_not_converged() -> None:
    still = np.tile(np.arange(4.0), (100, 1))
    assert split_rhat(still) > 1e3
    assert effective_size(still) < 10


# sampler


def test_a_correlated_normal_from_a_narrow_start() -> None:
    """Widths over four decades; walkers that start four times too narrow and displaced spread to the right moments."""
    inverse = np.linalg.inv(ROOT)

    def log_density(x: np.ndarray) -> np.ndarray:
        return -0.5 * ((x @ inverse.T) ** 2).sum(axis=1)

    chain = run(log_density, (0.25 * starts() + 0.5) @ ROOT.T, seed=1)
    assert chain.converged
    assert chain.evaluations <= (MAX_SWEEPS + 1) * ENSEMBLES * WALKERS
    z = chain.x.reshape(-1, D) @ inverse.T
    for values in z.T:
        assert moments_within(values, 0, 1, chain.ess)


def test_snooker_and_differential_alone_keep_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snooker without its weight pulls the ensemble together by several per cent."""
    for moves in [(1.0, 0.0, 0.0), (0.5, 0.5, 0.0)]:
        monkeypatch.setattr("xspecnf.mcmc.MOVES", moves)
        chain = run(lambda x: -0.5 * (x**2).sum(axis=1), starts(), ess=1e9)
        squares = (chain.x**2).sum(axis=-1).mean() / D
        assert squares == pytest.approx(1, abs=4 * np.sqrt(2 / D / chain.ess))


def test_a_banana() -> None:
    """x1 is normal with variance 4, x2 = x1^2/4 plus unit noise: mean 1, variance 1 + 2."""

    def log_density(x: np.ndarray) -> np.ndarray:
        noise = x[:, 1] - 0.25 * x[:, 0] ** 2
        return -0.5 * (x[:, 0] ** 2 / 4 + noise**2 + (x[:, 2:] ** 2).sum(axis=1))

    start = 1.3 * starts()
    start[:, 1] += 0.2 * start[:, 0] ** 2
    jumps = fit(start, np.ones(len(start)), 3, np.random.default_rng(0))
    chain = run(log_density, start, jumps=jumps)
    assert chain.converged
    x1, x2 = chain.x[..., 0].ravel(), chain.x[..., 1].ravel()
    assert moments_within(x1, 0, 4, chain.ess)
    assert moments_within(x2 - 0.25 * x1**2, 0, 1, chain.ess)
    assert x2.mean() == pytest.approx(1, abs=4 * np.sqrt(3 / chain.ess))


def test_two_modes_keep_their_masses() -> None:
    """Far apart, 0.2 and 0.8, from walkers shared half and half; the mixture that jumps knows the places, not more."""
    centres = np.array([[-6.0] + [0.0] * 4, [6.0] + [0.0] * 4])

    def log_density(x: np.ndarray) -> np.ndarray:
        near, far = (-0.5 * ((x - centre) ** 2).sum(axis=1) for centre in centres)
        return np.logaddexp(np.log(0.2) + near, np.log(0.8) + far)

    jumps = StudentMixture(np.array([0.5, 0.5]), centres, np.tile(2 * np.eye(D), (2, 1, 1)))
    chain = run(log_density, starts() + centres[np.arange(ENSEMBLES * WALKERS) % 2], jumps=jumps)
    assert chain.converged
    assert np.mean(chain.x[..., 0] < 0) == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / chain.ess))


def test_the_edge_of_a_prior() -> None:
    """An exponential that ends at zero: mean and variance 1, nothing beyond the edge."""

    def log_density(x: np.ndarray) -> np.ndarray:
        inside = x[:, 0] >= 0
        return np.where(inside, -x[:, 0] - 0.5 * (x[:, 1:] ** 2).sum(axis=1), -np.inf)

    chain = run(log_density, np.abs(starts()))
    edge = chain.x[..., 0].ravel()
    assert chain.converged
    assert edge.min() >= 0
    assert edge.mean() == pytest.approx(1, abs=4 / np.sqrt(chain.ess))
    assert edge.var() == pytest.approx(1, abs=4 * np.sqrt(8 / chain.ess))


def test_modes_that_nothing_connects_are_not_called_converged() -> None:
    """Each ensemble sits in a mode of its own, and the jumps know only one."""
    places = np.repeat(100.0 * np.arange(ENSEMBLES), WALKERS)

    def log_density(x: np.ndarray) -> np.ndarray:
        away = x[:, 0] - 100 * np.clip(np.round(x[:, 0] / 100), 0, ENSEMBLES - 1)
        return -0.5 * (away**2 + (x[:, 1:] ** 2).sum(axis=1))

    start = starts()
    start[:, 0] += places
    chain = run(log_density, start)
    assert not chain.converged
    assert chain.rhat > 1.1
    assert len(chain.x) == MAX_SWEEPS // 2


@pytest.mark.parametrize("size", [100, 1000, 5000])
@pytest.mark.parametrize("correlation", [0.5, 0.95])
def test_draws_are_worth_what_they_are_said_to_be(correlation: float, size: int) -> None:
    """The scatter of means over repeated chains, of draws of processes whose autocorrelation time is known."""
    rng = np.random.default_rng(6)
    sweeps, repeats = 100, 300
    time = (1 + correlation) / (1 - correlation)
    walkers = ENSEMBLES * WALKERS
    means = []
    for seed in range(repeats):
        x = autoregressive(correlation, sweeps, walkers, seed)  # begun anywhere: stationary
        chain = Chain(x.reshape(sweeps, ENSEMBLES, WALKERS, 1), 1.0, sweeps * walkers / time, 0)
        means.append(chain.draws(size, rng).mean())
    scatter = np.var(means)
    assert 1 / scatter == pytest.approx(chain.worth(size), rel=4 * np.sqrt(2 / repeats))
    assert chain.worth(size) <= min(size, chain.ess)


def test_ensembles_do_not_share_their_jumps() -> None:
    """How many of them go to either of two places is independent between ensembles, and stratified within one."""
    places = StudentMixture(np.array([0.5, 0.5]), np.array([[-50.0] * D, [50.0] * D]), np.tile(np.eye(D), (2, 1, 1)))
    rng = np.random.default_rng(0)
    x = np.zeros((ENSEMBLES, 25, D))
    there = np.array([(_independent(places)(x, x, rng)[0][..., 0] > 0).sum(axis=1) for _ in range(300)])
    assert set(np.unique(there)) == {12, 13}
    assert np.all(np.abs(np.corrcoef(there.T) - np.eye(ENSEMBLES)) < 0.25)


def test_draws_are_the_chains_own_and_a_seed_fixes_them() -> None:
    one, other = (run(lambda x: -0.5 * (x**2).sum(axis=1), starts(), ess=LEAST_ESS, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.x, other.x)
    flat = one.x.reshape(-1, D)
    draws = one.draws(len(flat), np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(draws, axis=0), np.sort(flat, axis=0))
    assert one.draws(2 * len(flat), np.random.default_rng(0)).shape == (2 * len(flat), D)
