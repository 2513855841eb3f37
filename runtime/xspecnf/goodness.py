"""Goodness of fit of a posterior against the exact physics, and the facts that the verdict is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.bands import background_share, signal
from xspecnf.diagnostics import Diagnostics, Fit
from xspecnf.likelihood import fit_statistic
from xspecnf.observation import Observation
from xspecnf.parameters import Parameter, from_unit, to_unit
from xspecnf.physics import expected_counts
from xspecnf.posterior import quantiles
from xspecnf.predictive import PredictiveCheck, check_draws, predictive_check
from xspecnf.target import Target
from xspecnf.verdict import Edges, Facts, Flag, judge

if TYPE_CHECKING:
    from xspecnf.adaptive import Refined
    from xspecnf.bestfit import BestFit
    from xspecnf.bundle import Bundle
    from xspecnf.sampling import Draws

Float64 = NDArray[np.float64]

EVALUATED = 60
"""Samples whose exact statistic is computed: enough for a fair best, in a few milliseconds."""

EDGE = 0.01
"""The outer share of a parameter's range that counts as its edge."""

OUTERMOST = 0.1
"""Of the edge: what lies in the edge and not there does not reach the end of the range."""

SLICES, LEAST_SLICES, IN_SLICE = 20, 5, 50
"""In which a parameter's density is taken: so many, more where the posterior is narrower than two of them; and to see
whether it is even so many fewer that each has IN_SLICE samples, or the fullest would be that by chance."""

MOST_SLICES = 10_000
"""Slices that are held in memory at once."""

QUARTILES = np.array([0.25, 0.75])


@dataclass(frozen=True)
class Assessed:
    """Samples of a posterior and how well they fit.

    Attributes:
        theta: (S, 5) in physical units.
        log_q: (S,) ln density of what drew them, in the unit cube.
        weights: (S,), sum 1.
        fit: at the median of every parameter, and at the best of some samples.
        check: posterior predictive; None where the likelihood of all samples that were looked at is zero.
        network_efficiency: effective share of the network's draws that were looked at; None where refined.
        refined: the refinement they come from, None for the network's own.
    """

    theta: Float64
    log_q: Float64
    weights: Float64
    fit: Fit
    check: PredictiveCheck | None
    network_efficiency: float | None = None
    refined: Refined | None = None


@dataclass(frozen=True)
class First:
    """What the exact physics says of the network's first draws: fit statistics (E,), the predictive check, and the
    share of them that is effective.
    """

    statistics: NDArray[np.floating[Any]]
    check: PredictiveCheck | None
    efficiency: float


def look_at(target: Target, draws: Draws, rng: np.random.Generator) -> First:
    """Look at EVALUATED of the network's draws, or as many as there are."""
    u = draws.u[:EVALUATED]
    counts = target.expected_counts(from_unit(u, target.parameters).astype(np.float32))
    return First(fit_statistic(counts, target.obs), *check_draws(target, u, counts, draws.log_q[:EVALUATED], rng))


def assess_draws(target: Target, draws: Draws, first: First) -> Assessed:
    """The network's draws, of which the first were looked at."""
    theta = from_unit(draws.u, target.parameters)
    weights = np.full(len(theta), 1 / len(theta))
    middle = np.median(theta, axis=0, keepdims=True)
    statistic = fit_statistic(target.expected_counts(middle.astype(np.float32)), target.obs)
    values = np.concatenate([statistic, first.statistics])
    fit = goodness(np.vstack([middle, theta[: len(first.statistics)]]), values, target.obs)
    return Assessed(theta, draws.log_q, weights, fit, first.check, first.efficiency)


def assess_refined(target: Target, refined: Refined, rng: np.random.Generator) -> Assessed:
    """Refined samples; those of the first block, whose counts are known already, are looked at."""
    looked_at, samples = refined.samples, refined.all
    theta, weights = from_unit(samples.u, target.parameters), samples.result.weights
    middle, best = median(theta, weights)[None], looked_at.likeliest(EVALUATED)
    counts = np.vstack([target.expected_counts(middle.astype(np.float32)), looked_at.points.counts[best]])
    fit = goodness(np.vstack([middle, theta[best]]), fit_statistic(counts, target.obs), target.obs)
    check = predictive_check(looked_at.points.counts, looked_at.result.weights, target.obs, rng)
    return Assessed(theta, samples.log_q, weights, fit, check, refined=refined)


def median(theta: Float64, weights: Float64) -> Float64:
    """The weighted median of every parameter (P,) of theta (S, P), weights (S,) summing to 1."""
    return np.array([quantiles(column, weights, np.array([0.5]))[0] for column in theta.T])


def goodness(theta: Float64, values: NDArray[np.floating[Any]], obs: Observation) -> Fit:
    """The statistic of the first of some parameters theta (E, 5), and the best of all `values` (E,)."""
    best = int(np.nanargmin(values)) if np.any(np.isfinite(values)) else 0
    bins = int(obs.good.sum())
    return Fit(
        statistic="pgstat",
        value=float(values[0]),
        dof=bins - theta.shape[1],
        bins=bins,
        counts=round(float(obs.counts[obs.good].sum())),
        best=float(values[best]),
        best_theta=tuple(theta[best].tolist()),
    )


def edges(theta: Float64, weights: Float64, parameters: tuple[Parameter, ...]) -> dict[str, Edges]:
    """The posterior at the ends of every parameter's prior range, by its name."""
    unit = np.clip(to_unit(theta, parameters), 0, 1)
    return {p.name: _edges(u, weights) for p, u in zip(parameters, unit.T, strict=True)}


def _edges(u: Float64, weights: Float64) -> Edges:
    """Of one parameter (S,) in the unit cube."""
    low, high = quantiles(u, weights, QUARTILES)
    width = float(np.clip((high - low) / 2, 1e-9, 1 / SLICES))
    mass = max(_edge_mass(u, weights), _edge_mass(1 - u, weights))
    filled = int(1 / (weights @ weights) / IN_SLICE)
    even = min(_end_densities(u, weights, 1 / min(max(filled, LEAST_SLICES), SLICES)))
    return Edges(mass, max(_end_densities(u, weights, width)), even)


def _edge_mass(u: Float64, weights: Float64) -> float:
    """In the lower edge, or what its outermost part tells of it, if that is less."""
    return float(min(weights @ (u < EDGE), weights @ (u < EDGE * OUTERMOST) / OUTERMOST))


def _end_densities(u: Float64, weights: Float64, width: float) -> tuple[float, float]:
    """In slices of that width at either end of the range, over that in the fullest one."""
    fullest = _fullest(u, weights, max(round(np.ptp(u) / width), 1))
    low, high = weights @ (u < width) / fullest, weights @ (u > 1 - width) / fullest
    return min(float(low), 1.0), min(float(high), 1.0)


def _fullest(u: Float64, weights: Float64, slices: int) -> float:
    """The largest weight in any of so many equal slices of the samples' range."""
    if slices <= MOST_SLICES:
        return float(np.histogram(u, slices, weights=weights)[0].max())
    place = (u - u.min()) / np.ptp(u) * slices  # where one sample has all the weight the slices are countless
    _, index = np.unique(place.astype(np.int64), return_inverse=True)
    return float(np.bincount(index, weights).max())


def diagnose(
    obs: Observation, assessed: Assessed, acceptance: float, bundle: Bundle, context: NDArray[np.float32]
) -> Diagnostics:
    """Judge a posterior: its data and their `context` (C,) against the bundle's training, its fit and predictive check,
    its mass at the prior's edges, its weights where it was refined.
    """
    facts = replace(
        _facts(obs, assessed.fit.best, assessed.fit.dof, assessed.check),
        reference_response=_stands_in(obs, bundle),
        edges=edges(assessed.theta, assessed.weights, bundle.parameters),
        network_efficiency=assessed.network_efficiency,
        beyond=_beyond(obs, bundle),
        novelty=bundle.novelty.p_value(context) if bundle.novelty else None,
        acceptance=acceptance,
    )
    found = Diagnostics("good", (), acceptance, assessed.check, facts.novelty)
    if assessed.refined:
        facts, found = _with_weights(facts, found, assessed.refined)
    verdict = judge(facts)
    return replace(found, verdict=verdict.level, flags=verdict.flags)


def _with_weights(facts: Facts, found: Diagnostics, refined: Refined) -> tuple[Facts, Diagnostics]:
    """What a refinement says of its samples, for the verdict and for the user."""
    result = refined.all.result
    worth: dict[str, Any] = {"ess": result.ess, "efficiency": result.efficiency, "khat": result.khat}
    facts = replace(facts, **worth, evidence_khat=refined.evidence_khat, evidence_excess=refined.evidence_excess)
    evidence, error = result.log_evidence, result.log_evidence_error
    made: dict[str, Any] = {name: getattr(refined, name) for name in ("method", "rounds", "evaluations", "rhat")}
    return facts, replace(found, **worth, **made, log_evidence=evidence, log_evidence_error=error)


def doubts(obs: Observation, best: BestFit) -> tuple[Flag, ...]:
    """What the verdict would say of the data that a maximum-likelihood fit is of, and of how it fits them."""
    counts = expected_counts(np.array([best.theta]), obs)
    check = predictive_check(counts, np.ones(1), obs, np.random.default_rng(0))
    facts = replace(_facts(obs, best.pgstat, best.dof, check), has_background=True)  # a note says where there is none
    return judge(facts).flags


def _facts(obs: Observation, statistic: float, dof: int, check: PredictiveCheck | None) -> Facts:
    """What is known of an observation, and of the best fit that was found."""
    good = obs.good
    return Facts(
        counts=float(obs.counts[good].sum()),
        background=float(obs.background[good].sum()),
        signal=signal(obs),
        bad_fraction=float(1 - good.mean()),
        has_background=obs.has_background,
        missing_correction=obs.missing_correction,
        statistic=statistic,
        dof=dof,
        check=check,
        poisson_background=obs.poisson_background,
        background_share=background_share(obs),
    )


def _stands_in(obs: Observation, bundle: Bundle) -> bool:
    """Whether the bundle's response was used for want of files; of an observation made by hand its name tells."""
    if obs.files is not None:
        return obs.files.rmf is None
    return obs.response.name == bundle.reference_response.name


def _beyond(obs: Observation, bundle: Bundle) -> tuple[str, ...]:
    """How the observation leaves the range of the bundle's training."""
    return tuple(bundle.training_range.left_by(obs, bundle.reference_response)) if bundle.training_range else ()
