r"""Importance weights with the exact likelihood: the check on, and the correction of, the network's posterior.

With samples u_i of the proposal q on the unit cube, where the prior is 1,

    w_i = L(u_i) / q(u_i),   Z = mean(w),   ESS = (sum w)^2 / sum w^2,   sigma(ln Z) = sqrt((S/ESS - 1)/S)

(e.g. Robert & Casella 2004, Monte Carlo Statistical Methods, ch. 3), after the largest weights were smoothed
(:mod:`xspecnf.pareto`). Everything is done in logarithms. The ESS tells how far the proposal is off; it cannot see a
mode that is never proposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.pareto import smooth

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Reweighted:
    """Self-normalised importance weights and what they say.

    Attributes:
        weights: (S,) non-negative, sum 1.
        ess: effective sample size, 1..S.
        efficiency: ess/S.
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
