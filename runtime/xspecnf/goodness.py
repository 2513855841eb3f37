"""Goodness of fit of a posterior against the exact physics, and the facts that the verdict is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.bands import signal
from xspecnf.diagnostics import Diagnostics, Fit
from xspecnf.likelihood import fit_statistic
from xspecnf.observation import Observation
from xspecnf.parameters import Parameter, from_unit, to_unit
from xspecnf.posterior import quantiles
from xspecnf.predictive import PredictiveCheck, check_draws, predictive_check
from xspecnf.target import Target
from xspecnf.verdict import Edges, Facts, judge

if TYPE_CHECKING:
    from xspecnf.adaptive import Refined
    from xspecnf.bundle import Bundle
    from xspecnf.sampling import Draws

Float64 = NDArray[np.float64]

EVALUATED = 60
"""Samples whose exact statistic is computed: enough for a fair best, in a few milliseconds."""

EDGE, SLICES = 0.01, 20
"""The outer share of a parameter's range that counts as its edge, and the slices in which its density is taken."""


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
    """Refined samples, whose counts are known already."""
    samples, weights = refined.samples, refined.samples.result.weights
    theta = from_unit(samples.points.u, target.parameters)
    middle, best = median(theta, weights)[None], samples.likeliest(EVALUATED)
    counts = np.vstack([target.expected_counts(middle.astype(np.float32)), samples.points.counts[best]])
    fit = goodness(np.vstack([middle, theta[best]]), fit_statistic(counts, target.obs), target.obs)
    check = predictive_check(samples.points.counts, weights, target.obs, rng)
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
    density = np.histogram(u, SLICES, (0, 1), weights=weights)[0]
    mass = max(weights @ (u < EDGE), weights @ (u > 1 - EDGE))
    return Edges(float(mass), (float(density[0] / density.max()), float(density[-1] / density.max())))


def diagnose(
    obs: Observation, assessed: Assessed, acceptance: float, bundle: Bundle, context: NDArray[np.float32]
) -> Diagnostics:
    """Judge a posterior: its data and their `context` (C,) against the bundle's training, its fit and predictive check,
    its mass at the prior's edges, its weights where it was refined.
    """
    good, reference = obs.good, bundle.reference_response
    fit, refined = assessed.fit, assessed.refined
    weighing = refined.samples.result if refined else None
    facts = Facts(
        counts=float(obs.counts[good].sum()),
        background=float(obs.background[good].sum()),
        background_error=float(np.linalg.norm(obs.background_error[good])),
        signal=signal(obs),
        bad_fraction=float(1 - good.mean()),
        has_background=obs.has_background,
        reference_response=obs.response.name == reference.name,
        statistic=fit.best,
        dof=fit.dof,
        check=assessed.check,
        edges=edges(assessed.theta, assessed.weights, bundle.parameters),
        poisson_background=obs.poisson_background,
        network_efficiency=assessed.network_efficiency,
        beyond=tuple(bundle.training_range.left_by(obs, reference)) if bundle.training_range else (),
        novelty=bundle.novelty.p_value(context) if bundle.novelty else None,
        acceptance=acceptance,
        ess=weighing.ess if weighing else None,
        efficiency=weighing.efficiency if weighing else None,
        khat=weighing.khat if weighing else None,
        evidence_khat=refined.evidence_khat if refined else None,
        evidence_excess=refined.evidence_excess if refined else None,
    )
    verdict = judge(facts)
    return Diagnostics(
        verdict=verdict.level,
        flags=verdict.flags,
        acceptance=acceptance,
        predictive=assessed.check,
        novelty=facts.novelty,
        ess=facts.ess,
        efficiency=facts.efficiency,
        log_evidence=weighing.log_evidence if weighing else None,
        log_evidence_error=weighing.log_evidence_error if weighing else None,
        khat=facts.khat,
        method=refined.method if refined else None,
        rounds=refined.rounds if refined else None,
        evaluations=refined.evaluations if refined else None,
        rhat=refined.rhat if refined else None,
    )
