"""Judge the posterior of one spectrum: ranks of the truth, fit of its samples, worth of its weights.

The network's draws are judged as they are, each with the same weight, and beside them what refinement makes of the
spectrum. PGStat is reduced, and without the systematic error's normalisation (xspecnf.likelihood.fit_statistic).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from xspecnf.bestfit import fit
from xspecnf.errors import InputError
from xspecnf.features import features
from xspecnf.goodness import median
from xspecnf.importance import reweight
from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.posterior import Posterior
from xspecnf.sampling import draw
from xspecnf_train.evaluate.calibration import rank, tarp_rank

Float64 = NDArray[np.float64]

CANDIDATES = 100
"""Samples, beside the best one, among which the maximum-likelihood fit chooses its starts."""


@dataclass(frozen=True)
class Scores:
    """What is known of N posteriors, a row each: (N,) unless said; NaN where it was not asked for or cannot be known.

    Attributes:
        counts: of source and background in the good bins.
        dof: good bins less parameters.
        ranks: (N, 5) of the true parameters, 0..1.
        tarp: credibility at which the ball around a random point reaches the truth.
        likelihood: credibility at which the region of highest likelihood reaches the truth.
        sample: PGStat of the middle one of the samples in the order of their PGStat.
        median: of the point of median parameters, which a bent or divided posterior leaves out.
        spectrum: of the median, bin by bin, of the samples' expected counts.
        best: of the best sample.
        fit: of the maximum-likelihood fit.
        truth: of the true parameters.
        efficiency: effective sample size over draws.
        worth: effective sample size over samples that refinement returns.
        khat: Pareto shape of the weights.
        evidence_z: ln Z less that of a second, independent run, over the error of their difference.
        seconds: that the inference took.
        failed: 1 where there is no posterior, else 0.
    """

    counts: Float64
    dof: Float64
    ranks: Float64
    tarp: Float64
    likelihood: Float64
    sample: Float64
    median: Float64
    spectrum: Float64
    best: Float64
    fit: Float64
    truth: Float64
    efficiency: Float64
    worth: Float64
    khat: Float64
    evidence_z: Float64
    seconds: Float64
    failed: Float64

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: NDArray[np.bool_] | slice) -> Scores:
        """The rows that `index` picks."""
        return Scores(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def joined(parts: Sequence[Scores]) -> Scores:
    """All rows of `parts`, in their order."""
    return Scores(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Scores)})


def score_failure(obs: Observation) -> Scores:
    """The row of an observation that no posterior was found for."""
    return _row(_unranked(obs) | {"failed": 1})


def score_network(
    model: Model, obs: Observation, truth: Float64 | None, samples: int, exact: bool, seed: Sequence[int]
) -> Scores:
    """Judge `samples` of the network, by the exact physics too if `exact`; one row.

    truth: (5,) in the unit cube, where it is known. Raises InputError when no sample is inside the prior.
    """
    rng = np.random.default_rng(seed)
    draws = draw(model.backend, model.backend.encode(features(obs)[None])[0], samples, rng)
    if len(draws.u) == 0:
        raise InputError(f"{obs.name}: the network finds no parameters inside the prior")
    equal = np.full(len(draws.u), 1 / len(draws.u))
    known = _ranked(obs, draws.u, equal, truth, rng)
    if exact:
        fitted, log_l = _fitted(model, obs, draws.u, equal, truth, rng)
        weighing = reweight(log_l, draws.log_q)
        known |= fitted | {"efficiency": weighing.efficiency, "khat": _number(weighing.khat)}
    return _row(known)


def score_refined(
    model: Model, obs: Observation, truth: Float64 | None, samples: int, repeat: bool, seed: Sequence[int]
) -> Scores:
    """Judge `samples` of the refined posterior, and its evidence against that of a second run if `repeat`; one row.

    truth: (5,) in the unit cube, where it is known.
    """
    rng = np.random.default_rng(seed)
    first, second = (int(s) for s in rng.integers(2**31, size=2))
    posterior = model.infer(obs, samples, first, refine=True)
    u = to_unit(posterior.theta)
    fitted, log_l = _fitted(model, obs, u, posterior.weights, truth, rng)
    best = fit(obs, np.vstack([u[np.argmax(log_l)], u[:CANDIDATES]]))
    known = _ranked(obs, u, posterior.weights, truth, rng) | fitted
    known |= {
        "fit": best.pgstat / best.dof,
        "efficiency": _number(posterior.diagnostics.efficiency),
        "worth": _number(posterior.diagnostics.ess) / len(u),
        "khat": _number(posterior.diagnostics.khat),
        "seconds": posterior.seconds,
    }
    if repeat:
        known["evidence_z"] = _evidence_z(posterior, model.infer(obs, samples, second, refine=True))
    return _row(known)


def _ranked(
    obs: Observation, u: Float64, weights: Float64, truth: Float64 | None, rng: np.random.Generator
) -> dict[str, float | Float64]:
    """Size of the data and ranks of the truth."""
    known = _unranked(obs)
    if truth is None:
        return known
    return known | {"ranks": rank(u, weights, truth, rng), "tarp": tarp_rank(u, weights, truth, rng)}


def _unranked(obs: Observation) -> dict[str, float | Float64]:
    size = len(BHB_PARAMETERS)
    ranks = np.full(size, np.nan)
    return {
        "counts": float(obs.counts[obs.good].sum()),
        "dof": float(obs.good.sum() - size),
        "ranks": ranks,
        "failed": 0,
    }


def _fitted(
    model: Model, obs: Observation, u: Float64, weights: Float64, truth: Float64 | None, rng: np.random.Generator
) -> tuple[dict[str, float], Float64]:
    """What the exact physics says of the samples u (S, 5), and their ln likelihood (S,)."""
    size = len(u)
    points = np.vstack([u, median(u, weights)] if truth is None else [u, median(u, weights), truth])
    counts = model.expected_counts(from_unit(points), obs)
    log_l = log_likelihood(counts, obs)
    spectrum = median(counts[:size], weights)
    reduced = fit_statistic(np.vstack([counts, spectrum]), obs) / (obs.good.sum() - u.shape[1])
    known = {
        "sample": float(median(reduced[:size, None], weights)[0]),
        "median": float(reduced[size]),
        "spectrum": float(reduced[-1]),
        "best": float(reduced[:size].min()),
    }
    if truth is not None:
        known["truth"] = float(reduced[-2])
        known["likelihood"] = float(rank(-log_l[:size], weights, -float(log_l[-1]), rng))
    return known, log_l[:size]


def _evidence_z(one: Posterior, other: Posterior) -> float:
    a, b = one.diagnostics, other.diagnostics
    error = np.hypot(_number(a.log_evidence_error), _number(b.log_evidence_error))
    return float((_number(a.log_evidence) - _number(b.log_evidence)) / error) if error > 0 else float("nan")


def _row(known: dict[str, float | Float64]) -> Scores:
    return Scores(**{f.name: np.array([known.get(f.name, np.nan)]) for f in fields(Scores)})


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
