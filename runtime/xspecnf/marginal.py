r"""The marginal likelihood: integrated over what the background may be, where PGSTAT takes the best of all.

Symbols as in :mod:`xspecnf.statistics`, with r = 1. The true background b scatters about the measured one, b = max(0,
B + sigma g), g standard normal, so that it is zero with the probability Phi(-B/sigma), and

    L = Phi(-B/sigma) L_0 + integral over b > 0,     L_0: without a background

The integral over the whole line, about the best expectation y, by Laplace's method to the second order (Tierney &
Kadane 1986, J. Am. Stat. Assoc. 81, 82):

    -2 ln L_w = statistic + ln(1 + h) + (3/2 - 5/3 p) p^2/S,   h = S s2/y^2,   p = h/(1 + h)

Of it Phi(c/w) belongs to b > 0, in the background's own Gaussian about the best, of mean c = B + sigma^2 (S/y - 1) and
variance w^2 = sigma^2 (1 - p sigma^2/s2). Without counts (S = 0) the background is a factor that no model changes:
L = L_0 up to that.

It tells where counts are few and the background's error is not small beside them: docs/profile-likelihood.md.
"""

import math

import numpy as np

from xspecnf.arrays import Array
from xspecnf.statistics import FLOOR, TINY, bounded, excess, pgstat_per_bin

POOR = 3.0
"""Errors above zero from which a background's Gaussian is as good as whole: a thousandth of it lies below."""


def marginal_per_bin(
    model_counts: Array, counts: Array, background: Array, background_error: Array, systematic: Array
) -> Array:
    """-2 ln L of each bin up to a constant of the data (..., bins), for source counts `model_counts` (..., bins).

    counts, background, background_error: (bins,), in counts of the source's exposure. systematic: fractional error of
    the model (bins,). numpy only.
    """
    arrays = (counts, background, background_error, systematic)
    model_counts = bounded(model_counts)
    poor = np.flatnonzero((background_error > 0) & (background < POOR * background_error))
    with np.errstate(over="ignore"):  # as in PGSTAT: an infinite variance divides
        bins = _over_the_line(model_counts, *arrays)
        bins[..., poor] = _held_at_zero(bins[..., poor], model_counts[..., poor], *(a[poor] for a in arrays))
    return bins


def _over_the_line(m: Array, s: Array, b: Array, sigma: Array, e: Array) -> Array:
    """-2 ln L_w."""
    _, _, h, p = _about_the_best(m, s, b, sigma, e)
    statistic = pgstat_per_bin(s, m, b, sigma, systematic=e, normalised=False)
    return statistic + np.log1p(h) + (1.5 - 5 / 3 * p) * p**2 / np.maximum(s, 1)


def _held_at_zero(over_the_line: Array, m: Array, s: Array, b: Array, sigma: Array, e: Array) -> Array:
    """-2 ln L, where a background that is poorly known may be zero."""
    y, s2, _, p = _about_the_best(m, s, b, sigma, e)
    centre = b + sigma**2 * (s / y - 1)
    width = sigma * np.sqrt(np.maximum(1 - p * sigma**2 / s2, TINY))
    without = _over_the_line(m, s, 0 * b, 0 * sigma, e)
    both = np.logaddexp(_ln_normal(centre / width) - over_the_line / 2, _ln_normal(-b / sigma) - without / 2)
    return np.where(s > 0, -2 * both, without)


def _ln_normal(z: Array) -> Array:
    """ln Phi(z); Phi to 2e-4 (Page 1977, Appl. Stat. 26, 75), far better than Laplace's method is where it is used."""
    return -np.logaddexp(0, -math.sqrt(8 / math.pi) * (z + 0.044715 * z**3))


def _about_the_best(m: Array, s: Array, b: Array, sigma: Array, e: Array) -> tuple[Array, Array, Array, Array]:
    """The best expectation y, the variance s2 around the model's, h and p."""
    s2 = sigma**2 + (e * m) ** 2
    y = np.maximum(s + excess(s, m + b, s2), FLOOR)
    h = s * s2 / y**2
    return y, s2, h, 1 - 1 / (1 + h)  # of an infinite h too
