r"""Importance weights with the exact likelihood: the check on, and the correction of, the network's posterior.

With samples u_i of the proposal q on the unit cube, where the prior is 1,

    w_i = L(u_i) / q(u_i),   Z = mean(w),   ESS = (sum w)^2 / sum w^2,   sigma(ln Z) = sqrt((S/ESS - 1)/S)

(e.g. Robert & Casella 2004, Monte Carlo Statistical Methods, ch. 3), after the largest weights were smoothed
(:mod:`xspecnf.pareto`). Everything is done in logarithms. The ESS tells how far the proposal is off; it cannot see a
mode that is never proposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.pareto import smooth

Float64 = NDArray[np.float64]

TEMPERED = 60.0
"""Effective samples that a fit rests on at least."""


@dataclass(frozen=True)
class Reweighted:
    """Self-normalised importance weights and what they say.

    Attributes:
        weights: (S,) non-negative, sum 1.
        ess: effective sample size, 1..S.
        efficiency: effective share of the draws: how well the proposal fits.
        log_evidence: ln Z, prior normalised on its bounds.
        log_evidence_error: one standard deviation of ln Z, by the delta method; optimistic where efficiency is small.
        khat: shape of the weights' tail, above 0.7 nothing here is reliable; None with too few samples to tell.
    """

    weights: Float64
    ess: float
    efficiency: float
    log_evidence: float
    log_evidence_error: float
    khat: float | None


@dataclass(frozen=True)
class Block:
    """Weighted samples of a target.

    Attributes:
        u: (S, d) in the unit cube.
        log_q: (S,) ln density of what drew them.
        result: their weights and what these say.
    """

    u: Float64
    log_q: Float64
    result: Reweighted


def pooled(blocks: Sequence[Block]) -> Block:
    """Independent blocks as one: each has the weight that its size and its evidence give it.

    A block's samples stand for all the weight that it found, so that blocks of one target add up as draws do.
    """
    results = [block.result for block in blocks]
    size = np.array([len(block.u) for block in blocks], dtype=np.float64)
    evidence = np.array([result.log_evidence for result in results])
    top = evidence.max()
    mass = size * np.exp(evidence - top)
    share = mass / mass.sum()
    errors = np.array([result.log_evidence_error for result in results])
    khats = [result.khat for result in results if result.khat is not None]
    ess = float(1 / np.sum(share**2 / [result.ess for result in results]))
    return Block(
        np.concatenate([block.u for block in blocks]),
        np.concatenate([block.log_q for block in blocks]),
        Reweighted(
            weights=np.concatenate([p * result.weights for p, result in zip(share, results, strict=True)]),
            ess=ess,
            efficiency=float(size @ [result.efficiency for result in results] / size.sum()),
            log_evidence=float(top + np.log(mass.sum() / size.sum())),
            log_evidence_error=float(np.sqrt(np.sum((share * errors) ** 2))),
            khat=float(np.mean(khats)) if khats else None,
        ),
    )


def thin(weights: Float64, size: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], Float64]:
    """Choose `size` of S weighted samples and give them new weights; both (size,).

    A sample of weight w stays with the chance min(1, w/c) and then weighs max(w, c), which is unbiased and of the least
    variance (Fearnhead & Clifford 2003, J. R. Stat. Soc. B 65, 887). The effective number of the new weights counts
    everything: where no weight was above 1/size they are `size` independent draws of the target, as rejection sampling
    would leave them. Where fewer than `size` weigh anything, the heaviest are repeated and share their weight.
    """
    if np.count_nonzero(weights) <= size:
        return _repeated(weights, size)
    w = np.sort(weights)[::-1]
    c = np.cumsum(w[::-1])[::-1][:size] / (size - np.arange(size))  # with the k largest kept for certain
    c = c[np.argmax(w[:size] <= c)]
    edges = np.concatenate([[0.0], np.cumsum(np.minimum(weights / c, 1))])
    index = np.flatnonzero(np.diff(np.floor(edges * (size / edges[-1]) + rng.random())))
    kept = np.maximum(weights[index], c)
    return index, kept / kept.sum()


def _repeated(weights: Float64, size: int) -> tuple[NDArray[np.intp], Float64]:
    """All samples of positive weight, the rest of `size` places shared out among them by weight."""
    positive = np.flatnonzero(weights)
    edges = np.concatenate([[0.0], np.cumsum(weights[positive])])
    copies = 1 + np.diff(np.floor(edges / edges[-1] * (size - len(positive)))).astype(int)
    return np.repeat(positive, copies), np.repeat(weights[positive] / copies, copies)


def effective(log_w: Float64) -> float:
    """Effective sample size of ln weights (S,)."""
    w = _exponentials(log_w)
    return float(w.sum() ** 2 / max((w**2).sum(), 1e-300))


def tempered(log_w: Float64) -> Float64:
    """Weights (S,) w^beta, sum 1, with the largest beta <= 1 that leaves TEMPERED effective samples."""
    low, high = 0.0, 1.0
    if effective(log_w) >= TEMPERED:
        low = 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle * log_w) >= TEMPERED else (low, middle)
    w = _exponentials(np.multiply(low, log_w, where=np.isfinite(log_w), out=np.full_like(log_w, -np.inf)))
    return w / max(w.sum(), 1e-300)


def _exponentials(log_w: Float64) -> Float64:
    """w (S,), the largest 1; all 0 where no weight is finite."""
    top = log_w.max()
    return np.exp(log_w - top) if np.isfinite(top) else np.zeros_like(log_w)


def reweight(log_likelihood: Float64, log_q: Float64) -> Reweighted:
    """Weigh samples of q by the likelihood.

    Args:
        log_likelihood: (S,) ln L of each sample; -inf or NaN (a model that cannot be evaluated) weighs nothing.
        log_q: (S,) ln of the proposal's density with respect to the unit cube.

    Raises:
        ValueError: no sample, or no sample with a finite likelihood.
    """
    log_w = np.where(np.isfinite(log_likelihood), log_likelihood - log_q, -np.inf)
    if not np.any(np.isfinite(log_w)):
        raise ValueError("no sample has a finite likelihood: nothing to weigh")
    size = len(log_w)
    log_w, khat = smooth(log_w)
    top = log_w.max()
    w = np.exp(log_w - top)
    weights = w / w.sum()
    ess = float(1 / np.sum(weights**2))
    return Reweighted(
        weights=weights,
        ess=ess,
        efficiency=ess / size,
        log_evidence=float(top + np.log(w.mean())),
        log_evidence_error=float(np.sqrt(max(size / ess - 1, 0) / size)),
        khat=khat,
    )
