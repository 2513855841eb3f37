r"""Have Markov chains converged, and how much are their draws worth? Rank-normalised split R-hat and effective size.

With M chains of N draws, B/N the variance of their means and W the mean of their variances,

    R-hat = sqrt( ((N-1)/N W + B/N) / W )

of the ranks' normal scores, and of those of the distance from the median, each chain cut in halves: the larger of both
(Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Anal. 16, 667). The effective size is N M over the
autocorrelation time, whose sum ends with Geyer's (1992, Stat. Sci. 7, 473) initial monotone sequence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xspecnf.probit import to_normal

Float64 = NDArray[np.float64]


def split_rhat(x: Float64) -> float:
    """Rank-normalised split R-hat of draws (N, M) of M chains; infinite where nothing moves."""
    halves = _split(x)
    folded = np.abs(halves - np.median(halves))
    return max(_rhat(_normal_scores(halves)), _rhat(_normal_scores(folded)))


def effective_size(x: Float64) -> float:
    """Effective number of the draws (N, M) of M chains, by their normal scores ("bulk")."""
    scores = _normal_scores(_split(x))
    draws = len(scores)
    covariance = _autocovariance(scores).mean(axis=1)
    within = covariance[0] * draws / (draws - 1)
    total = covariance[0] + scores.mean(axis=0).var(ddof=1)
    if not total > 0:
        return 1.0
    correlation = 1 - (within - covariance) / total
    correlation[0] = 1
    pairs = correlation[: draws - draws % 2].reshape(-1, 2).sum(axis=1)
    positive = np.argmax(pairs <= 0) if np.any(pairs <= 0) else len(pairs)
    time = 2 * np.minimum.accumulate(pairs[: max(positive, 1)]).sum() - 1
    return float(scores.size / max(time, 1.0))


def _rhat(x: Float64) -> float:
    draws = len(x)
    within = x.var(axis=0, ddof=1).mean()
    between = x.mean(axis=0).var(ddof=1)
    return float(np.sqrt((draws - 1) / draws + between / within)) if within > 0 else float("inf")


def _split(x: Float64) -> Float64:
    """First and second halves of the chains as chains of their own: (N // 2, 2 M)."""
    half = len(x) // 2
    return np.concatenate([x[:half], x[-half:]], axis=1)


def _normal_scores(x: Float64) -> Float64:
    """Phi^-1 of the ranks (N, M) among all draws; equal draws, a rejected move's, take their mean rank."""
    _, place, times = np.unique(x, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(times) - (times - 1) / 2
    return to_normal((mean_rank - 0.375) / (x.size + 0.25))[place].reshape(x.shape)


def _autocovariance(x: Float64) -> Float64:
    """Of each chain of x (N, M), at lags 0..N-1, by the Fourier transform."""
    draws = len(x)
    spectrum = np.fft.rfft(x - x.mean(axis=0), 2 * draws, axis=0)
    return np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:draws] / draws
