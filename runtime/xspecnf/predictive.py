r"""Posterior predictive checks: could the model, at this posterior, have made these data?

Replicate the counts of posterior samples under exactly the likelihood's assumptions: in each bin the expectation
scatters about the model's by the background's error sigma and the systematic error e, the counts are Poisson,

    S_rep ~ Poisson(y),   y ~ Normal(M + B, sigma^2 + (e M)^2) held at 0 or above,

and compare a discrepancy T of replicate and data under the same parameters (Gelman, Meng & Stern 1996, Stat. Sinica 6,
733): p = P[T(S_rep, theta) >= T(S, theta)]. Two discrepancies:

    the fit statistic     a misfit spread over the band; with few counts it is not chi2, the replicates tell. Bins
                          without counts hold y at 0, or errors that are too large would pass for a misfit
    the largest residual  max over windows W of |D| / sqrt(V + max(D, 0)/3), D = sum over W of (S - M - B), V that of
                          the variances: a line or a shelf that the statistic of all bins drowns. The third of an
                          excess tames the long tail of small Poisson counts, which else hides what bright bins show

The replicates resolve no p below one over their number; a Pearson III law with the first three moments of T_rep - T
goes on into the tail, by Wilson & Hilferty's (1931, PNAS 17, 684) cube root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.arrays import like
from xspecnf.bands import WINDOWS, window_sums
from xspecnf.importance import reweight
from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.observation import Observation
from xspecnf.peaks import climb
from xspecnf.target import Target

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

SAMPLES, REPEATS, MORE_REPEATS = 40, 4, 20
"""Posterior samples that are replicated, and how often each: the data's scatter among replicates is far wider than the
posterior's, and the data's own statistic is needed once a sample. More where a p-value lies near the verdict's limits,
as the skewness of few replicates is uncertain."""

UNSURE = (1e-7, 0.02)
"""p-values between these, and as near to 1, that more replicates are made for."""

SUSPECT = 0.01
"""Smaller p-values of a few draws are not believed before the posterior's peak was looked at."""

PEAK_GAIN = 0.5
"""Of ln density: an ascent ends where it expects no more, a small part of the fit statistic's scatter."""

LEAST_VARIANCE = 0.01  # counts^2: a count where none is expected is a surprise, not an infinite one
MANY = 20.0  # counts: of so many the Cornish-Fisher law's kurtosis is off by 0.02
LARGEST_EXPECTATION = 1e15  # counts: far beyond any spectrum, and still a number that Poisson counts can be drawn of


@dataclass(frozen=True)
class Residual:
    """The window of the band where the data depart most from the model: its energies [keV] and the sum's sigma."""

    energy_lo: float
    energy_hi: float
    sigma: float


@dataclass(frozen=True)
class PredictiveCheck:
    """What the replicates say.

    Attributes:
        p_total: posterior predictive p-value of the fit statistic.
        p_local: of the largest residual.
        residual: where that is.
        statistic: the smallest fit statistic of the data among the replicated samples.
    """

    p_total: float
    p_local: float
    residual: Residual
    statistic: float


def predictive_check(
    model_counts: Floats, weights: Float64, obs: Observation, rng: np.random.Generator
) -> PredictiveCheck:
    """Check the posterior whose samples expect the source counts model_counts (S, bins), with `weights` (S,), sum 1."""
    expected = np.minimum(model_counts[rng.choice(len(weights), SAMPLES, p=weights)], LARGEST_EXPECTATION)
    found = _replicated_check(expected, obs, REPEATS, rng)
    low, high = UNSURE
    if found.p_total > 1 - high or any(low < p < high for p in (found.p_total, found.p_local)):
        return _replicated_check(expected, obs, MORE_REPEATS, rng)
    return found


def _replicated_check(expected: Floats, obs: Observation, repeats: int, rng: np.random.Generator) -> PredictiveCheck:
    """Check samples that expect the source counts `expected` (S, bins), by so many replicates of each."""
    each = expected[:, None]
    data = np.broadcast_to(like(obs.counts, expected), each.shape)
    counts = np.concatenate([data, replicated(each, obs, rng, (len(each), repeats, expected.shape[1]))], axis=1)
    statistic, residual = fit_statistic(each, obs, counts, held=True), residuals(counts, each, obs)
    local = largest(residual)
    return PredictiveCheck(
        tail_probability(statistic[:, 1:] - statistic[:, :1]),
        tail_probability(local[:, 1:] - local[:, :1]),
        _strongest([windows[:, 0] for windows in residual], obs),
        float(fit_statistic(expected, obs).min()),
    )


def check_draws(
    target: Target, u: Float64, model_counts: Floats, log_q: Float64, rng: np.random.Generator
) -> tuple[PredictiveCheck | None, float]:
    """Check the exact posterior by draws u (S, 5) of a proposal whose ln density is log_q (S,); None where the
    likelihood of all is zero. The share of the draws that is effective comes with it.

    Few draws may all miss a narrow peak: where they seem not to fit, the peak that an ascent from the best of them
    reaches is checked in their place.
    """
    log_l = log_likelihood(model_counts, target.obs)
    if not np.any(np.isfinite(log_l)):
        return None, 0.0
    weighing = reweight(log_l, log_q)
    check = predictive_check(model_counts, weighing.weights, target.obs, rng)
    if min(check.p_total, check.p_local) > SUSPECT:
        return check, weighing.efficiency
    peak = climb(target, target.at_unit(u[[np.nanargmax(log_l)]]).x, PEAK_GAIN)
    return predictive_check(peak.points.counts, np.ones(1), target.obs, rng), weighing.efficiency


def replicated(
    expected: Floats, obs: Observation, rng: np.random.Generator, shape: tuple[int, ...] | None = None
) -> Floats:
    """Counts (..., bins) that source counts `expected` (..., bins) make under the likelihood's assumptions.

    shape: of the result, to which `expected` broadcasts; its own by default.
    """
    background, error, systematic = (like(x, expected) for x in (obs.background, obs.background_error, obs.systematic))
    scatter = np.sqrt(error**2 + (systematic * expected) ** 2)
    y = expected + background + scatter * rng.standard_normal(shape or expected.shape, dtype=expected.dtype)
    return poisson(np.clip(y, 0, LARGEST_EXPECTATION), rng)


def poisson(expected: Floats, rng: np.random.Generator) -> Floats:
    """Poisson counts of any shape; where MANY are expected by a normal variate z, with the law's first three moments:

    N = y + z sqrt(y - 5/36) + (z^2 - 1)/6, rounded     (after Cornish & Fisher 1938, Rev. Inst. Int. Stat. 5, 307)

    The 5/36 are the variance of the last term and of the rounding.
    """
    z = rng.standard_normal(expected.shape, dtype=expected.dtype)
    counts = np.rint(expected + z * (np.sqrt(np.maximum(expected - 5 / 36, 0)) + z / 6) - 1 / 6)
    few = expected < MANY
    if few.any():
        counts[few] = rng.poisson(expected[few])
    return counts


def residuals(counts: Floats, expected: Floats, obs: Observation) -> list[Floats]:
    """For each of WINDOWS, the departures (..., bins + 1 - width) of counts (..., bins) from the model's `expected`
    (..., bins) in standard deviations; bad bins are left out of the sums.
    """
    background, error, systematic = (like(x, expected) for x in (obs.background, obs.background_error, obs.systematic))
    y = expected + background
    difference = obs.good * (like(counts, expected) - y)
    variance = obs.good * (np.maximum(y, LEAST_VARIANCE) + error**2 + (systematic * expected) ** 2)
    pairs = zip(window_sums(difference), window_sums(variance), strict=True)
    return [d / np.sqrt(np.maximum(v, LEAST_VARIANCE) + np.maximum(d, 0) / 3) for d, v in pairs]


def largest(residual: list[Floats]) -> Floats:
    """(...,) the largest absolute residual of any window."""
    return np.max([np.maximum(windows.max(axis=-1), -windows.min(axis=-1)) for windows in residual], axis=0)


def tail_probability(difference: Floats) -> float:
    """P(difference >= 0) of the Pearson III law with the moments of `difference`, of any shape."""
    values = difference.astype(np.float64).ravel()
    mean = float(values.mean())
    deviation = values - mean
    sigma = math.sqrt(deviation @ deviation / len(values)) if math.isfinite(mean) else 0.0
    if not sigma > 0:
        return float(mean >= 0)
    skew = min(max(float(deviation**2 @ deviation) / len(values) / sigma**3, 0.01), 2.0)
    # A gamma variate's cube root is nearly normal; below its lower end, where there is no root, p is 1.
    root = max(1 - skew * mean / (2 * sigma), 0.0) ** (1 / 3)
    z = 6 / skew * (root - 1) + skew / 6
    return 0.5 * math.erfc(z / math.sqrt(2))


def _strongest(residual: list[Floats], obs: Observation) -> Residual:
    """The window that departs most in the samples' mean."""
    means = [windows.mean(axis=0) for windows in residual]
    k = int(np.argmax([np.abs(mean).max() for mean in means]))
    first = int(np.abs(means[k]).argmax())
    return Residual(float(obs.energy_lo[first]), float(obs.energy_hi[first + WINDOWS[k] - 1]), float(means[k][first]))
