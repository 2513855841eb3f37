"""Refinement finds the exact posterior from imperfect draws: against converged posteriors, and part by part."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import erfc, gamma, pi, sqrt
from pathlib import Path

import numpy as np
import pytest

from xspecnf.adaptive import PILOT, Refined, network_is_better, refine_draws
from xspecnf.importance import effective, reweight, tempered
from xspecnf.likelihood import log_likelihood
from xspecnf.mcmc import LARGEST_RHAT
from xspecnf.mixture import NU, StudentMixture, blend, fit
from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.pareto import fit_pareto, pareto_quantiles, smooth
from xspecnf.peaks import WIDENING, climb, find_peaks
from xspecnf.physics import expected_counts
from xspecnf.posterior import quantiles
from xspecnf.probit import from_normal, log_normal, to_normal
from xspecnf.proposal import is_weak, starts
from xspecnf.sampling import Draws
from xspecnf.target import Target, joined, preferred_norm

LEVELS = np.array([0.16, 0.5, 0.84])
TRUTH = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])
EXAMPLE = np.array([[0.1176, 1.608, 0.4269, 0.28, 3.769e4]])


def target_of(obs: Observation) -> Target:
    return Target(obs, BHB_PARAMETERS, partial(expected_counts, obs=obs))


class Network:
    """Stands in for an imperfect network: laws fitted to a posterior in probit space, shifted and stretched."""

    def __init__(self, u: np.ndarray, shift: float, stretch: float, components: int = 1) -> None:
        z = to_normal(u)
        law = fit(z, np.ones(len(z)), components, np.random.default_rng(5))
        self.law = StudentMixture(law.shares, law.means + shift * z.std(axis=0), stretch * law.roots)

    def draw(self, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        z = self.law.draw(size, np.random.default_rng(seed))
        return from_normal(z), self.law.log_density(z) - log_normal(z).sum(axis=1)


# probit


def test_probit_is_the_inverse_of_the_normal_law() -> None:
    z = np.linspace(-6, 4, 101)
    np.testing.assert_allclose(to_normal(from_normal(z)), z, atol=1e-7)
    exact = [0.5 * erfc(-x / sqrt(2)) for x in z]
    np.testing.assert_allclose(from_normal(z), exact, rtol=1e-10)
    assert from_normal(np.array([0.0])) == 0.5
    assert np.all(np.isfinite(to_normal(np.array([0.0, 1.0]))))
    slope = (from_normal(z + 1e-5) - from_normal(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(np.log(slope), log_normal(z), atol=1e-4)


# mixture


def test_density_of_one_component_is_students() -> None:
    law = StudentMixture(np.ones(1), np.full((1, 1), 2.0), np.full((1, 1, 1), 3.0))
    t = (np.array([-4.0, 2.0, 11.0]) - 2) / 3
    expected = gamma((NU + 1) / 2) / gamma(NU / 2) / sqrt(NU * pi) / 3 * (1 + t**2 / NU) ** (-(NU + 1) / 2)
    np.testing.assert_allclose(np.exp(law.log_density(3 * t[:, None] + 2)), expected, rtol=1e-12)


def two_modes() -> StudentMixture:
    roots = np.array([[[0.1, 0.0], [0.08, 0.02]], [[1.0, 0.0], [0.0, 0.3]]])
    return StudentMixture(np.array([0.3, 0.7]), np.array([[0.0, 0.0], [8.0, 1.0]]), roots)


def test_draws_follow_the_density() -> None:
    """Importance weights of one mixture under another average to one, and shares come out."""
    law, rng = two_modes(), np.random.default_rng(1)
    x = law.draw(20_000, rng)
    assert np.mean(x[:, 0] < 3) == pytest.approx(0.3, abs=0.01)
    wider = StudentMixture(law.shares, law.means + 0.05, 1.3 * law.roots)
    x = wider.draw(20_000, rng)
    assert np.mean(np.exp(law.log_density(x) - wider.log_density(x))) == pytest.approx(1, abs=0.03)


def test_fit_recovers_two_modes_from_weighted_samples() -> None:
    law, rng = two_modes(), np.random.default_rng(2)
    proposal = blend([(0.5, law), (0.5, StudentMixture(np.ones(1), np.full((1, 2), 4.0), 4 * np.eye(2)[None]))])
    x = proposal.draw(6000, rng)
    found = fit(x, np.exp(law.log_density(x) - proposal.log_density(x)), 2, rng)
    order = np.argsort(found.means[:, 0])
    np.testing.assert_allclose(found.shares[order], law.shares, atol=0.03)
    np.testing.assert_allclose(found.means[order], law.means, atol=0.1)
    scales = found.roots @ found.roots.transpose(0, 2, 1)
    np.testing.assert_allclose(scales[order], law.roots @ law.roots.transpose(0, 2, 1), rtol=0.2, atol=0.03)


def test_fit_of_few_samples_is_a_density() -> None:
    x = np.random.default_rng(3).standard_normal((4, 5))
    assert np.all(np.isfinite(fit(x, np.ones(4), 6, np.random.default_rng(0)).log_density(x)))


def test_shares_must_be_a_distribution() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        StudentMixture(np.array([0.5]), np.zeros((1, 2)), np.eye(2)[None])


# pareto


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.7, 1.2])
def test_pareto_fit_recovers_the_shape(k: float) -> None:
    x = np.sort(pareto_quantiles(np.random.default_rng(0).random(5000), k, 2.0))
    found, sigma = fit_pareto(x)
    assert found == pytest.approx(k, abs=0.07)
    assert sigma == pytest.approx(2.0, rel=0.1)


def test_smoothing_keeps_the_order_and_bounds_the_largest() -> None:
    log_w = 3 * np.random.default_rng(1).standard_normal(2000)
    smoothed, khat = smooth(log_w)
    assert khat is not None
    assert khat > 0.5
    assert smoothed.max() <= log_w.max()
    np.testing.assert_array_equal(np.argsort(smoothed), np.argsort(log_w))
    assert np.sum(smoothed != log_w) == int(np.ceil(3 * np.sqrt(2000)))


def test_equal_weights_have_no_tail_and_few_weights_no_shape() -> None:
    assert smooth(np.zeros(100))[1] == -np.inf
    assert smooth(np.arange(10.0))[1] is None


# target and peaks


def test_coordinates_lead_there_and_back(synthetic: Observation) -> None:
    target = target_of(synthetic)
    u = to_unit(TRUTH) + 0.01 * np.random.default_rng(0).standard_normal((50, 5))
    there = target.at_unit(u)
    back = target.at(there.x)
    np.testing.assert_allclose(back.u, u, atol=1e-12)
    np.testing.assert_allclose(back.log_density, there.log_density, atol=1e-6)
    likelihood = log_likelihood(expected_counts(from_unit(u), synthetic), synthetic)
    np.testing.assert_allclose(there.log_density - there.log_volume, likelihood, atol=1e-6)
    assert target.evaluations == 100


def test_single_precision_weighs_draws_as_double_does(synthetic: Observation, example: Path) -> None:
    """ln L to 0.01, at 5e7 counts with a systematic error too."""
    for obs, theta, width in ((synthetic, TRUTH, 3e-4), (read_observation(example), EXAMPLE, 4e-4)):
        target = target_of(obs)
        u = to_unit(theta) + width * np.random.default_rng(0).standard_normal((100, 5))
        double, single = target.at_unit(u), target.at_unit(u, np.float32)
        assert single.counts.dtype == np.float32
        np.testing.assert_allclose(single.counts, double.counts, rtol=1e-4, atol=1e-6 * double.counts.max())
        likely = double.log_density > double.log_density.max() - 30
        assert likely.sum() > 30
        assert np.std((single.log_density - double.log_density)[likely]) < 0.01


def test_volume_is_the_determinant_of_the_map(synthetic: Observation) -> None:
    target, h = target_of(synthetic), 1e-4
    centre = target.at_unit(to_unit(TRUTH))
    step = h * np.eye(5)
    jacobian = (target.at(centre.x + step).u - target.at(centre.x - step).u) / (2 * h)
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(centre.log_volume[0], abs=1e-5)


def test_preferred_norm_is_the_likeliest(synthetic: Observation) -> None:
    shape = expected_counts(TRUTH / [1, 1, 1, 1, 1e4], synthetic)
    log_a, error = preferred_norm(shape, synthetic)
    norms = np.exp(log_a + error * np.array([-1.0, 0.0, 1.0]))
    low, best, high = log_likelihood(norms[:, None] * shape, synthetic)
    assert low - best == pytest.approx(-0.5, abs=0.02)
    assert high - best == pytest.approx(-0.5, abs=0.02)


def test_outside_the_prior_there_is_nothing(synthetic: Observation) -> None:
    target = target_of(synthetic)
    x = target.at_unit(to_unit(TRUTH)).x
    assert np.isneginf(target.at(x + np.array([0, 0, 0, 0, 1e5])).log_density[0])


def test_ascents_meet_at_the_peak(synthetic: Observation) -> None:
    """Two starts, one peak, stationary, a few standard deviations from the parameters that made the counts."""
    target = target_of(synthetic)
    truth = target.at_unit(to_unit(TRUTH))
    starts = truth.x + np.array([[0.1, 0.3, -0.3, 0.05, 5.0], [-0.05, -0.3, 0.3, -0.05, 0.0]])
    place = climb(target, starts)
    away = truth.x - place.points.x
    assert np.all(np.einsum("ki,kij,kj->k", away, place.curvature, away) < 30)
    assert np.all(place.points.log_density >= truth.log_density)
    peaks = find_peaks(target, starts)
    assert len(peaks.shares) == 1
    best = int(np.argmax(place.points.log_density))
    whitened = peaks.roots[0].T @ place.curvature[best] @ peaks.roots[0] / WIDENING**2
    np.testing.assert_allclose(whitened, np.eye(5), atol=0.01)


@pytest.mark.parametrize("coordinate", [0, 3])
def test_ascents_start_on_a_lower_peak_too(synthetic: Observation, coordinate: int) -> None:
    """Two groups of draws that differ in absorption alone, or in temperature: at the best point of either."""
    rng, offset = np.random.default_rng(6), np.zeros(5)
    offset[coordinate] = 0.2
    target = target_of(synthetic)
    here = target.at_unit(to_unit(TRUTH) + 1e-3 * rng.standard_normal((200, 5)))
    there = target.at_unit(to_unit(TRUTH) + offset + 1e-3 * rng.standard_normal((40, 5)))
    assert there.log_density.max() < here.log_density.min()
    found = starts(joined([here, there]))
    for group in (here, there):
        assert np.any(np.all(found == group.x[group.log_density.argmax()], axis=1))
    assert len(found) <= 8


# the whole


def test_tempering_leaves_enough_samples() -> None:
    log_w = 20 * np.random.default_rng(0).standard_normal(1000)
    assert effective(log_w) < 5
    weights = tempered(log_w)
    assert 1 / np.sum(weights**2) == pytest.approx(60, rel=0.01)
    mild = 0.1 * log_w / 20
    np.testing.assert_allclose(tempered(mild), np.exp(mild) / np.exp(mild).sum())


def load(shared: Path, name: str) -> tuple[Observation, np.ndarray]:
    """An observation and the samples (4000, 5) of its converged posterior in the unit cube."""
    with np.load(shared / "gold" / f"{name}.npz") as gold:
        obs = read_observation(
            shared / "gold" / f"{name}.pha",
            rmf=shared / "nicer" / "response" / "nicer.rmf.gz",
            arf=shared / "nicer" / "arf" / str(gold["arf"]),
            systematic=float(gold["e_sys"]),
        )
        return obs, to_unit(gold["samples"])


def refined(obs: Observation, network: Network, samples: int = 1000, seed: int = 0) -> Refined:
    def draws(size: int, seed: int) -> Draws:
        return Draws(*network.draw(size, seed), made=size, kept=size)

    rng = np.random.default_rng([seed, 1])
    return refine_draws(target_of(obs), draws(PILOT, seed), lambda size: draws(size, seed + 1), samples, rng)


def test_the_evidence_of_a_truncated_flow_has_its_acceptance_s_error(shared: Path) -> None:
    obs, gold = load(shared, "syn_00")
    u, log_q = Network(gold, shift=0, stretch=1).draw(PILOT, 0)

    def refined_of(made: int) -> Refined:
        first, rng = Draws(u, log_q, made, PILOT), np.random.default_rng(0)
        return refine_draws(target_of(obs), first, lambda size: pytest.fail("the pilot suffices"), 200, rng)

    all_inside, half = refined_of(PILOT), refined_of(2 * PILOT)
    assert (all_inside.method, half.method) == ("network", "network")
    errors = [found.samples.result.log_evidence_error for found in (all_inside, half)]
    assert errors[1] == pytest.approx(np.hypot(errors[0], np.sqrt(0.5 / PILOT)))


@pytest.mark.parametrize("name", ["syn_00", "syn_03", "syn_12", "syn_18"])
def test_a_displaced_and_wide_network_is_refined_to_the_posterior(shared: Path, name: str) -> None:
    obs, gold = load(shared, name)
    found = refined(obs, Network(gold, shift=2, stretch=4))
    weights, u = found.samples.result.weights, found.samples.points.u
    assert found.pilot.result.efficiency < 0.1
    assert found.samples.result.efficiency > 0.2
    assert found.rounds > 0
    equal = np.full(len(gold), 1 / len(gold))
    for mine, truth in zip(u.T, gold.T, strict=True):
        low, median, high = quantiles(mine, weights, np.array([0.16, 0.5, 0.84]))
        expected = quantiles(truth, equal, np.array([0.16, 0.5, 0.84]))
        width = expected[2] - expected[0]
        assert median == pytest.approx(expected[1], abs=0.15 * width)
        assert high - low == pytest.approx(width, rel=0.2)


def test_two_modes_stay_two(shared: Path) -> None:
    """A cool and a hot disc share the posterior as in the converged one, though the network favours one of them."""
    obs, gold = load(shared, "syn_09")
    cool = gold[:, 3] < 0.35
    network = Network(np.concatenate([gold[cool][:200], gold[~cool]]), 0.3, 1.5, components=6)
    found = refined(obs, network)
    mass = found.samples.result.weights @ (found.samples.points.u[:, 3] < 0.35)
    assert mass == pytest.approx(cool.mean(), abs=0.1)


def test_evidence_is_that_of_a_large_independent_estimate(shared: Path) -> None:
    obs, gold = load(shared, "syn_27")
    u, log_q = Network(gold, 0, 1.2, components=4).draw(4000, 9)
    target = target_of(obs)
    points = target.at_unit(u)
    independent = reweight(points.log_density - points.log_volume, log_q)
    for seed, samples in ((0, 1000), (1, 1000), (2, 1)):
        result = refined(obs, Network(gold, 1, 3), samples, seed).samples.result
        error = np.hypot(result.log_evidence_error, independent.log_evidence_error)
        assert abs(result.log_evidence - independent.log_evidence) < 4 * error
        assert 0.005 < result.log_evidence_error < 0.1  # of a sample too


def test_a_good_network_is_left_alone_and_a_seed_fixes_everything(shared: Path) -> None:
    obs, gold = load(shared, "syn_00")
    good = refined(obs, Network(gold, 0, 1, components=4), samples=700)
    assert good.rounds == 0
    assert good.evaluations == 2 * len(good.samples.points) == 1400
    one, other = (refined(obs, Network(gold, 2, 4), samples=100, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.samples.points.u, other.samples.points.u)
    np.testing.assert_array_equal(one.samples.result.weights, other.samples.result.weights)
    assert one.samples.points.u.shape == (100, 5)


def test_few_draws_far_away_do_not_pass_for_better_ones() -> None:
    """One of 500 carries all weight, and one of 5000 that are 1000 nats closer."""
    rng = np.random.default_rng(4)
    far, near = (
        reweight(50 * rng.standard_normal(size) + gain, np.zeros(size)) for size, gain in ((500, 0), (5000, 1e3))
    )
    assert far.efficiency > near.efficiency
    assert not network_is_better(far, near)
    good, fair = (
        reweight(scatter * rng.standard_normal(2000) - scatter**2 / 2, np.zeros(2000)) for scatter in (0.1, 1)
    )
    assert network_is_better(good, fair)
    assert not network_is_better(fair, good)


# weak signals


def without_source(obs: Observation, counts: np.ndarray, background: float) -> Observation:
    return replace(obs, counts=counts, background=np.full(240, background))


NOTHING = {
    "no counts at all": (np.zeros(240), 0.0),
    "one count": (np.eye(240)[60], 0.0),
    "background only": (np.random.default_rng(8).poisson(2.0, 240).astype(float), 2.0),
}


@pytest.mark.parametrize("case", NOTHING)
def test_without_a_signal_the_prior_comes_back(synthetic: Observation, case: str) -> None:
    """Evidence and marginals of draws from the prior itself, though the network believes in a source."""
    obs = without_source(synthetic, *NOTHING[case])
    assert is_weak(obs)
    assert not is_weak(synthetic)
    truth = to_unit(TRUTH) + 0.1 * np.random.default_rng(1).standard_normal((500, 5))
    found = refined(obs, Network(np.clip(truth, 0.02, 0.98), 0, 1))
    assert found.method != "network"
    assert found.samples.result.ess > 300
    assert np.all((found.samples.points.u >= 0) & (found.samples.points.u <= 1))
    u = np.random.default_rng(2).random((6000, 5))
    points = target_of(obs).at_unit(u)
    prior = reweight(points.log_density - points.log_volume, np.zeros(6000))
    error = np.hypot(prior.log_evidence_error, found.samples.result.log_evidence_error)
    assert found.samples.result.log_evidence == pytest.approx(prior.log_evidence, abs=4 * error)
    for mine, truth in zip(found.samples.points.u.T, u.T, strict=True):
        for level in (0.25, 0.5, 0.75):
            edge = quantiles(truth, prior.weights, np.array([level]))[0]
            worth = min(prior.ess, found.samples.result.ess)
            assert found.samples.result.weights @ (mine < edge) == pytest.approx(level, abs=4 * np.sqrt(0.5 / worth))


# the last resort


def test_mcmc_takes_over_where_weights_fail(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forced: its equal weights give the same medians, and the evidence stays that of importance sampling."""
    obs, gold = load(shared, "syn_24")
    network = Network(gold, 1, 2)
    before = refined(obs, network, samples=500)
    monkeypatch.setattr("xspecnf.adaptive.POOR", 1.0)
    found = refined(obs, network, samples=500)
    assert before.rhat is None
    assert found.method == "mcmc"
    assert found.rhat is not None
    assert found.rhat < LARGEST_RHAT
    assert found.samples.result.log_evidence == before.samples.result.log_evidence
    assert found.samples.result.khat is None
    assert found.evidence_khat == before.samples.result.khat
    np.testing.assert_array_equal(found.samples.result.weights, 1 / 500)
    equal = np.full(len(gold), 1 / len(gold))
    for mine, truth in zip(found.samples.points.u.T, gold.T, strict=True):
        low, median, high = quantiles(truth, equal, LEVELS)
        ours = quantiles(mine, found.samples.result.weights, LEVELS)
        assert ours[1] == pytest.approx(median, abs=0.15 * (high - low))
        assert ours[2] - ours[0] == pytest.approx(high - low, rel=0.25)


def test_mcmc_that_has_not_converged_changes_nothing(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obs, gold = load(shared, "syn_24")
    network = Network(gold, 1, 2)
    before = refined(obs, network, samples=100)
    monkeypatch.setattr("xspecnf.adaptive.POOR", 1.0)
    monkeypatch.setattr("xspecnf.mcmc.MAX_SWEEPS", 1)
    monkeypatch.setattr("xspecnf.mcmc.BLOCK", 8)
    found = refined(obs, network, samples=100)
    assert found.method == "adaptive"
    assert found.rhat is not None
    assert found.samples.result.ess == pytest.approx(before.samples.result.ess, rel=0.1)
    assert found.evaluations > before.evaluations
