"""What a bundle is worth, measured: calibration, goodness of fit and importance efficiency on fresh simulated spectra,
and the fit of real ones.

Everything goes through the bundle's own graphs, as a user's spectra do. Coverage: of the central credible intervals of
each parameter, and joint, by the distance of samples and truth to random points (TARP, Lemos et al. 2023,
arXiv:2302.03026). Efficiency: effective sample size over samples, of importance weights with the exact likelihood.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xspecnf.goodness import fit_statistic
from xspecnf.importance import reweight
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit, to_unit
from xspecnf.sampling import draw
from xspecnf.statistics import log_likelihood
from xspecnf_train.simulate import Batch, Simulator, SimulatorConfig
from xspecnf_train.tables import build

LEVELS = np.linspace(0.05, 0.95, 19)
COUNT_EDGES = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1.5e8)
MIN_GROUP = 20  # spectra; smaller ranges of counts are not reported on


@dataclass(frozen=True)
class Scores:
    """Per spectrum, (N,) each unless said.

    counts; ranks (N, 5) of the truth among the samples, 0..1; tarp: share of samples nearer to a random point than the
    truth; reduced PGStat of one sample, of the posterior's median point, of the best sample and of the truth;
    efficiency of the importance weights.
    """

    counts: np.ndarray
    ranks: np.ndarray
    tarp: np.ndarray
    sample: np.ndarray
    median: np.ndarray
    best: np.ndarray
    truth: np.ndarray
    efficiency: np.ndarray


def evaluate(
    model: Model,
    spectra: int = 2160,
    samples: int = 1000,
    exact: int = 250,
    seed: int = 1,
    real: Sequence[Observation] = (),
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Simulate `spectra` observations, infer `samples` each, judge `exact` of these with the exact likelihood; returns
    the figures.

    real: observations whose reduced PGStat is reported too.
    """
    rng = np.random.default_rng([seed, 77])
    simulator = replace(_simulator(model), pool=max(8 * spectra, 1000))
    fresh = Simulator(simulator, model.reference_response, seed + 1_000_000)
    batch = fresh.draw(spectra, rng)
    scores = _score(model, batch, samples, exact, rng, report)
    figures: dict[str, Any] = {
        "spectra": spectra,
        "samples": samples,
        "exact_samples": exact,
        "seed": seed,
        "all": _summary(scores, np.full(spectra, True)),
        "by_counts": {},
    }
    for low, high in itertools.pairwise(COUNT_EDGES):
        inside = (scores.counts >= low) & (scores.counts < high)
        if inside.sum() >= MIN_GROUP:
            figures["by_counts"][f"{low:.0e}-{high:.0e}"] = _summary(scores, inside)
    if real:
        figures["real"] = real_figures(model, real, samples, exact)
    return figures


def _simulator(model: Model) -> SimulatorConfig:
    """The simulator's settings that the bundle was trained with; the default ones where it does not say."""
    table = model.bundle.provenance.get("configuration", {}).get("simulator", {})
    return build(SimulatorConfig, f"{model.bundle.name}: provenance: simulator", table)


def _score(
    model: Model, batch: Batch, samples: int, exact: int, rng: np.random.Generator, report: Callable[[str], None]
) -> Scores:
    spectrum = batch.features()
    context = model.backend.encode(spectrum)
    rows = []
    for k, observation in enumerate(batch.observations(model.reference_response)):
        draws = draw(model.backend, context[k], samples, rng)
        rows.append(_score_one(model, observation, batch.u[k], draws.u, draws.log_q, exact, rng))
        if (k + 1) % 200 == 0:
            report(f"{k + 1} of {len(context)} spectra")
    return Scores(*(np.array(column) for column in zip(*rows, strict=True)))


def _score_one(
    model: Model,
    obs: Observation,
    truth: np.ndarray,
    u: np.ndarray,
    log_q: np.ndarray,
    exact: int,
    rng: np.random.Generator,
) -> tuple[Any, ...]:
    centre = np.median(u, axis=0)
    theta = from_unit(np.vstack([truth, centre, u[:exact]]), model.bundle.parameters)
    counts = model.expected_counts(theta, obs)
    reduced = fit_statistic(counts, obs) / (obs.good.sum() - theta.shape[1])
    weights = reweight(log_likelihood(counts[2:], obs), log_q[:exact])
    point, scale = rng.random(5), u.std(axis=0) + 1e-12
    distance = np.linalg.norm((u - point) / scale, axis=1)
    nearer = np.mean(distance < np.linalg.norm((truth - point) / scale))
    ranks = (u < truth).mean(axis=0)
    total = obs.counts[obs.good].sum()
    return total, ranks, nearer, reduced[2], reduced[1], reduced[1:].min(), reduced[0], weights.efficiency


def _summary(scores: Scores, chosen: np.ndarray) -> dict[str, Any]:
    ranks, tarp = scores.ranks[chosen], scores.tarp[chosen]
    marginal = np.array([(2 * np.abs(ranks - 0.5) < level).mean(axis=0) for level in LEVELS])
    joint = np.array([(tarp < level).mean() for level in LEVELS])
    efficiency = scores.efficiency[chosen]
    return {
        "spectra": int(chosen.sum()),
        "coverage_error": {
            "marginal_max": _round(np.abs(marginal - LEVELS[:, None]).max()),
            "marginal_mean": _round(np.abs(marginal - LEVELS[:, None]).mean()),
            "joint_max": _round(np.abs(joint - LEVELS).max()),
        },
        "coverage_68": [_round(x) for x in (2 * np.abs(ranks - 0.5) < 0.68).mean(axis=0)],
        "reduced_pgstat": {
            name: {
                "mean": _round(getattr(scores, name)[chosen].mean()),
                "median": _round(np.median(getattr(scores, name)[chosen])),
            }
            for name in ("sample", "median", "best", "truth")
        },
        "efficiency": {"median": _round(np.median(efficiency)), "q05": _round(np.quantile(efficiency, 0.05))},
    }


def real_figures(model: Model, observations: Sequence[Observation], samples: int, exact: int) -> dict[str, Any]:
    """Reduced PGStat of real observations: one sample, the median point, the best of `exact` samples; and the
    efficiency.
    """
    rows = []
    for obs in observations:
        posterior = model.infer(obs, samples=samples, refine=False)
        u = to_unit(posterior.theta)
        centre = from_unit(np.median(u, axis=0)[None])
        theta = np.vstack([centre, posterior.theta[:exact]])
        counts = model.expected_counts(theta, obs)
        reduced = fit_statistic(counts, obs) / (obs.good.sum() - 5)
        weights = reweight(log_likelihood(counts[1:], obs), posterior.log_prob[:exact])
        rows.append((reduced[1], reduced[0], reduced.min(), weights.efficiency))
    table = np.array(rows)
    names = ("sample", "median", "best")
    return {
        "spectra": len(table),
        "systematic": _round(float(np.median([obs.systematic.mean() for obs in observations]))),
        "reduced_pgstat": {
            name: {"mean": _round(column.mean()), "median": _round(np.median(column))}
            for name, column in zip(names, table.T[:3], strict=True)
        },
        "efficiency": {"median": _round(np.median(table[:, 3])), "q05": _round(np.quantile(table[:, 3], 0.05))},
    }


def _round(value: float) -> float:
    return float(f"{value:.4g}")
