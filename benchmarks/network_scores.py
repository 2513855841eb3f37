"""What a network's posteriors are worth while its weights are still torch's: on real spectra whose exact posterior and
best fit are known, on simulated ones whose parameters are, and as the start of refinement.

    sample, median, best: reduced PGStat of the middle sample by PGStat, the point of median parameters, the best sample
    bias: root mean square over the parameters of (median - best fit), in standard deviations of the exact posterior
    width: 68 % width over the exact posterior's, geometric mean over the parameters
    surprise: mean -ln q of draws of the exact posterior, or of the true parameters, in nats
    efficiency: effective samples over draws under the exact likelihood
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from xspecnf.features import features
from xspecnf.importance import reweight
from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit
from xspecnf.physics import expected_counts
from xspecnf.sampling import draw
from xspecnf_train.backend import TorchBackend
from xspecnf_train.evaluate.calibration import LEVELS, coverage, rank, tarp_rank
from xspecnf_train.evaluate.figures import CLAIMED
from xspecnf_train.evaluate.population import total_counts
from xspecnf_train.simulate import Batch

Float64 = NDArray[np.float64]

SAMPLES, SIMULATED_SAMPLES = 1000, 200
CHUNK = 25  # simulated spectra that are sampled at once
QUANTILES = [0.16, 0.5, 0.84]
LEAST_WIDTH = 1e-9  # of samples that single precision puts on one bound


@dataclass(frozen=True)
class Labelled:
    """A real spectrum, draws of its exact posterior (L, 5) and its best fit (5,), both in the unit cube."""

    obs: Observation
    exact: Float64
    best: Float64


@dataclass(frozen=True)
class Score:
    """One posterior of one real spectrum; the module's docstring says what is what. NaN where it is not known."""

    sample: float = np.nan
    median: float = np.nan
    best: float = np.nan
    bias: float = np.nan
    width: float = np.nan
    surprise: float = np.nan
    efficiency: float = np.nan


@dataclass(frozen=True)
class Calibration:
    """Of simulated spectra: largest |coverage - level| over levels and parameters, by central intervals and by TARP, of
    all and of those with CLAIMED counts; mean surprise.
    """

    marginal: float
    tarp: float
    claimed_marginal: float
    claimed_tarp: float
    surprise: float


@dataclass(frozen=True)
class Refinement:
    """Of N spectra: efficiency of the final proposal and worth of 1000 samples (N,); share of spectra whose samples are
    the network's own; mean evaluations of the physics and CPU seconds.
    """

    efficiency: Float64
    worth: Float64
    network: float
    evaluations: float
    seconds: float


def reduced_pgstat(u: Float64, obs: Observation) -> Float64:
    """(S,) of points u (S, 5) of the unit cube."""
    return fit_statistic(expected_counts(from_unit(u), obs), obs) / (obs.good.sum() - u.shape[1])


def score(u: Float64, one: Labelled) -> Score:
    """Fit, bias and width of samples u (S, 5)."""
    reduced = reduced_pgstat(np.vstack([u, np.median(u, axis=0)]), one.obs)
    low, middle, high = np.quantile(u, QUANTILES, axis=0)
    exact_low, _, exact_high = np.quantile(one.exact, QUANTILES, axis=0)
    return Score(
        sample=float(np.median(reduced[:-1])),
        median=float(reduced[-1]),
        best=float(reduced[:-1].min()),
        bias=float(np.sqrt(np.mean(((middle - one.best) / ((exact_high - exact_low) / 2)) ** 2))),
        width=float(np.exp(np.mean(np.log(np.maximum(high - low, LEAST_WIDTH) / (exact_high - exact_low))))),
    )


def score_network(backend: TorchBackend, one: Labelled) -> Score:
    """The network's posterior; nothing is known where it lies outside the prior, all but a few samples."""
    context = backend.encode(features(one.obs)[None])
    draws = draw(backend, context[0], SAMPLES, np.random.default_rng(0))
    if len(draws.u) < SAMPLES:
        return Score()
    log_l = log_likelihood(expected_counts(from_unit(draws.u), one.obs), one.obs)
    return replace(
        score(draws.u, one),
        surprise=float(surprise(backend, np.repeat(context, len(one.exact), axis=0), one.exact).mean()),
        efficiency=reweight(log_l, draws.log_q).efficiency,
    )


@torch.no_grad()
def surprise(backend: TorchBackend, context: NDArray[np.float32], u: Float64) -> Float64:
    """-ln q (S,) of points u (S, 5) given contexts (S, C)."""
    return -backend.networks.flow.log_prob(torch.from_numpy(u).float(), torch.from_numpy(context)).double().numpy()


def calibration(backend: TorchBackend, batch: Batch) -> Calibration:
    """Of the network's posteriors of simulated spectra, with the same noise for every network."""
    context, rng = backend.encode(batch.features()), np.random.default_rng(2)
    credibility = np.empty((len(batch.u), 6))  # of the five parameters, and TARP
    for start in range(0, len(batch.u), CHUNK):
        noise = rng.standard_normal((CHUNK, SIMULATED_SAMPLES, 5), dtype=np.float32)
        samples, _ = backend.sample(context[start : start + CHUNK], noise[: len(batch.u) - start])
        for k, u in enumerate(samples.astype(np.float64), start):
            credibility[k] = credibilities(u, batch.u[k], np.random.default_rng([2, k]))
    counts = total_counts(batch)
    claimed = credibility[(counts >= CLAIMED[0]) & (counts < CLAIMED[1])]
    return Calibration(
        marginal=deviation(credibility[:, :5]),
        tarp=deviation(credibility[:, 5:]),
        claimed_marginal=deviation(claimed[:, :5]),
        claimed_tarp=deviation(claimed[:, 5:]),
        surprise=float(surprise(backend, context, batch.u).mean()),
    )


def credibilities(u: Float64, truth: Float64, rng: np.random.Generator) -> Float64:
    """At which the five central intervals and the ball of TARP reach the truth (5,), by those samples u (S, 5) that are
    inside the prior: (6,), NaN if none is.
    """
    inside = np.all((u >= 0) & (u <= 1), axis=1)
    if not inside.any():
        return np.full(6, np.nan)
    u, equal = u[inside], np.full(inside.sum(), 1 / inside.sum())
    return np.append(2 * np.abs(rank(u, equal, truth, rng) - 0.5), tarp_rank(u, equal, truth, rng))


def deviation(credibility: Float64) -> float:
    """Largest |coverage - level| over levels and the columns of credibility (N, K); rows of NaN are left out."""
    known = credibility[np.isfinite(credibility).all(axis=1)]
    return max(float(np.abs(coverage(column) - LEVELS).max()) for column in known.T)


def refinement(model: Model, spectra: Sequence[Labelled]) -> Refinement:
    """What refinement takes and brings when it starts from the model's network."""
    started = time.process_time()
    found = [model.infer(one.obs, SAMPLES, refine=True).diagnostics for one in spectra]
    seconds = time.process_time() - started
    efficiency, worth, evaluations = np.array([(d.efficiency, d.ess, d.evaluations) for d in found], dtype=float).T
    return Refinement(
        efficiency=efficiency,
        worth=worth / SAMPLES,
        network=float(np.mean([d.method == "network" for d in found])),
        evaluations=float(evaluations.mean()),
        seconds=seconds / len(found),
    )
