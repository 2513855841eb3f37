r"""Are posteriors calibrated? Ranks that are uniform if so, their coverage, and what chance alone does to both.

The rank of the truth among posterior samples is uniform for any quantity of theta and the data, if truth and samples
are draws of one distribution (simulation-based calibration, Talts et al. 2018, arXiv:1804.06788; the likelihood as the
quantity that sees the joint posterior, Modrak et al. 2023, arXiv:2211.02383; the distance to a random point, TARP,
Lemos et al. 2023, arXiv:2302.03026). With weights w of effective size n, and v uniform, which spreads a rank over the
gap between two samples, or over the samples that equal the truth,

    r = [n sum_i w_i 1(x_i < truth) + v (1 + n sum_i w_i 1(x_i = truth))] / (n + 1)

is exactly uniform for equal weights and so to order 1/n for others.
"""

from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LEVELS = np.linspace(0.05, 0.95, 19)
"""Credible levels at which coverage is looked at."""

BINS = 25
"""Of a rank histogram; odd, which leaves chi2 an even number of degrees of freedom and its tail a finite sum."""

EXPECTED_IN_BIN = 5
"""Fewer expected ranks in a bin than this and chi2 is not the law of Pearson's statistic."""

CHANCE_DRAWS = 1000
REACH = 2.0
"""Distance of TARP's points from the posterior's centre in its own standard deviations."""


def rank(values: Float64, weights: Float64, truth: Float64 | float, rng: np.random.Generator) -> Float64:
    """Rank 0..1 of the truth (...,) among weighted samples (S, ...), weights (S,) summing to 1."""
    size = 1 / np.sum(weights**2)
    below, equal = weights @ (values < truth), weights @ (values == truth)
    return (size * below + rng.random(np.shape(truth)) * (1 + size * equal)) / (size + 1)


def tarp_rank(u: Float64, weights: Float64, truth: Float64, rng: np.random.Generator) -> float:
    """Credibility of the ball around a random point that reaches to the truth (P,): samples u (S, P).

    The point comes from samples and truth together, of which the truth is one like any other if they are of one law.
    """
    size = 1 / np.sum(weights**2)
    everyone, shares = np.vstack([u, truth]), np.append(size * weights, 1) / (size + 1)
    centre = shares @ everyone
    scale = np.sqrt(shares @ (everyone - centre) ** 2) + 1e-12
    point = centre + REACH * scale * rng.standard_normal(len(truth))
    distance = np.linalg.norm((u - point) / scale, axis=1)
    return float(rank(distance, weights, float(np.linalg.norm((truth - point) / scale)), rng))


def coverage(credibility: Float64) -> Float64:
    """Share of truths inside the region of each of LEVELS (19,), from the credibilities at which these enter (N,)."""
    return np.array([np.mean(credibility < level) for level in LEVELS])


def chance_deviation(spectra: int, quantities: int) -> tuple[float, float]:
    """The largest |coverage - level| over LEVELS and independent quantities of calibrated posteriors: its mean and its
    95 % quantile over CHANCE_DRAWS simulated evaluations of `spectra` each.
    """
    rng = np.random.default_rng(0)
    gaps = np.diff(LEVELS, prepend=0, append=1)
    cells = rng.multinomial(spectra, gaps, size=(CHANCE_DRAWS, quantities))
    coverage = np.cumsum(cells, axis=2)[:, :, :-1] / spectra
    largest = np.abs(coverage - LEVELS).max(axis=(1, 2))
    return float(largest.mean()), float(np.quantile(largest, 0.95))


def histogram(ranks: Float64) -> NDArray[np.intp]:
    """(BINS,) numbers of ranks (N,)."""
    return np.histogram(ranks, BINS, (0, 1))[0]


def chi2_p(numbers: NDArray[np.intp]) -> float | None:
    """p-value of a histogram (BINS,) against the uniform one, by Pearson's chi2; None with too few ranks to tell."""
    expected = numbers.sum() / len(numbers)
    if expected < EXPECTED_IN_BIN:
        return None
    half = float(((numbers - expected) ** 2 / expected).sum()) / 2
    return exp(-half) * sum(half**k / factorial(k) for k in range((len(numbers) - 1) // 2))


def ks_p(ranks: Float64) -> float:
    """p-value of ranks (N,) against the uniform law, Kolmogorov-Smirnov (Stephens 1970, J. R. Stat. Soc. B 32, 115)."""
    ordered, steps = np.sort(ranks), np.arange(len(ranks) + 1) / len(ranks)
    distance = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    scaled = (np.sqrt(len(ranks)) + 0.12 + 0.11 / np.sqrt(len(ranks))) * distance
    if scaled < 0.3:  # the series needs ever more terms, and p is 1 to five digits
        return 1.0
    k = np.arange(1, 30)
    return float(np.clip(2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2)), 0, 1))
