r"""Pareto-smoothed importance weights and their shape k-hat.

The largest M = min(S/5, 3 sqrt(S)) weights are replaced by the expected order statistics of the generalised Pareto law
that is fitted to them; its shape k tells how heavy their tail is: below 0.7 the estimates converge at a practical rate
(Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25, 72). The fit is the one of Zhang & Stephens 2009, Technometrics
51, 316, with the weak prior on k of the former.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MIN_TAIL = 5
"""Fewer tail weights than this tell nothing about their law."""


def smooth(log_weights: Float64) -> tuple[Float64, float | None]:
    """Smoothed ln weights (S,), and k-hat, which is None where the samples are too few to tell.

    Args:
        log_weights: (S,) unnormalised; -inf for weight zero.
    """
    size = len(log_weights)
    tail = int(np.ceil(min(0.2 * size, 3 * np.sqrt(size))))
    order = np.argsort(log_weights, kind="stable")
    if tail < MIN_TAIL or not np.isfinite(log_weights[order[-tail - 1]]):
        return log_weights, None
    largest, cutoff = order[-tail:], order[-tail - 1]
    top = log_weights.max()
    threshold = np.exp(log_weights[cutoff] - top)
    exceedances = np.exp(log_weights[largest] - top) - threshold
    if exceedances[-1] < 1e-12:  # all weights equal: no tail
        return log_weights, float("-inf")
    k, sigma = fit_pareto(np.maximum(exceedances, 1e-300))
    smoothed = log_weights.copy()
    expected = threshold + pareto_quantiles((np.arange(tail) + 0.5) / tail, k, sigma)
    smoothed[largest] = top + np.minimum(np.log(expected), 0.0)
    return smoothed, k


def fit_pareto(x: Float64) -> tuple[float, float]:
    """Shape k and scale sigma of the generalised Pareto law of ascending positive values (M,)."""
    size = len(x)
    candidates = 30 + int(np.sqrt(size))
    quartile = x[int(size / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - np.sqrt(candidates / (np.arange(candidates) + 0.5))) / (3 * quartile)
    shapes = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = size * (np.log(-theta / shapes) - shapes - 1)
    chance = np.exp(profile - profile.max())
    theta_mean = float(chance @ theta / chance.sum())
    k = float(np.log1p(-theta_mean * x).mean())
    return (size * k + 10 * 0.5) / (size + 10), -k / theta_mean


def pareto_quantiles(p: Float64, k: float, sigma: float) -> Float64:
    """Quantiles of the generalised Pareto law; those beyond any number's range are merely huge."""
    exponential = -np.log1p(-p)
    return sigma * exponential if abs(k) < 1e-9 else sigma * np.expm1(np.minimum(k * exponential, 600.0)) / k
