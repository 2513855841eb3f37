"""PGSTAT: the likelihood of Poisson counts over a Gaussian background, as XSPEC computes it, with a systematic error of
the model.

All in counts of the source's exposure. S source counts, B background with error sigma, r = t_s/t_b (BACKSCAL and
AREASCAL folded in), M model counts, e fractional systematic error of the model. The unknown true expectation y of a
bin, source and background together, is profiled out:

    y0 = M + r B,   s2 = (r sigma)^2 + (e M)^2,   a = y0 - s2,   y = [a + sqrt(a^2 + 4 S s2)]/2,   d = y - S
    statistic = 2 [ d - S ln(1 + d/S) ] + (y - y0)^2/s2,  y - y0 = -s2 d/y       S > 0
              = 2 [ y0 - s2/2 ],  and y0^2/s2 where a < 0 and e > 0, or held   S = 0
              = 2 [ y0 - S + S ln(S/y0) ],  y0 held above 1e-5                 s2 = 0 (Poisson)
    e > 0 adds ln[ (y + s2)/(y + (r sigma)^2) ]: the variance now depends on the model

See the XSPEC manual, appendix "Statistics in XSPEC", for e = 0. What is solved for is d, d^2 + (2 S - a) d = S (y0 -
S), which keeps its digits where model and data nearly agree: single precision will do at 1e8 counts.
"""

from xspecnf.arrays import Array, namespace

FLOOR = 1e-5  # counts: the least expectation of a Poisson bin, as in XSPEC
TINY = 1e-30  # counts: keeps a logarithm finite where a Gaussian bin's expectation underflows


def pgstat_per_bin(
    counts: Array,
    model_counts: Array,
    background: Array,
    background_error: Array,
    exposure_ratio: float | Array = 1.0,
    systematic: float | Array = 0.0,
    normalised: bool = True,
    held: bool = False,
) -> Array:
    """The statistic of each bin, -2 ln L up to a constant; all arguments broadcast against (..., bins), all counts.

    normalised: with the logarithm that a systematic error adds. held: y is not below 0 where nothing was counted and
    there is no systematic error either, unlike in XSPEC, so that no statistic is below 0.
    """
    xp = namespace(model_counts)
    number = xp.finfo((1.0 * model_counts).dtype)
    s, m = counts, bounded(model_counts)
    background_variance = (exposure_ratio * background_error) ** 2
    model_variance = (systematic * m) ** 2
    s2 = background_variance + model_variance
    y0 = m + exposure_ratio * background
    d = excess(s, y0, s2)
    least = float(number.eps)  # y/S that d = y - S can tell from 0
    y = xp.maximum(s + d, least * s + TINY)
    ratio = xp.clip(d / xp.clip(s, FLOOR, None), least - 1, None)
    statistic = 2 * (d - s * xp.log1p(ratio)) + s2 * (d / y) ** 2
    if not (s > 0).all():
        statistic = xp.where(s > 0, statistic, _without_counts(y0, s2, model_variance, held))
    if not (normalised and (model_variance > 0).any()):
        return statistic
    expected = xp.clip(y, FLOOR, None)
    return statistic + xp.log((expected + s2) / (expected + background_variance))


def bounded(model_counts: Array) -> Array:
    """The counts, held to what has a fourth power that is still a number."""
    xp = namespace(model_counts)
    return xp.clip(model_counts, None, float(xp.finfo((1.0 * model_counts).dtype).max) ** 0.24)


def excess(s: Array, y0: Array, s2: Array) -> Array:
    """y - S, for the expectation y that the counts and the background prefer, from a root that never cancels; without a
    Gaussian y is the model's, at least FLOOR.
    """
    xp = namespace(y0)
    a = y0 - s2
    b = 2 * s - a
    size = xp.abs(b)
    d = (size - b) / 2 + 2 * s * (y0 - s) / (size + xp.sqrt(a**2 + 4 * s * s2) + TINY)
    poisson = s2 <= 0
    return xp.where(poisson, xp.clip(y0, FLOOR, None) - s, d) if poisson.any() else d


def _without_counts(y0: Array, s2: Array, model_variance: Array, held: bool) -> Array:
    """The statistic of bins where nothing was counted."""
    xp = namespace(y0)
    at_zero = (y0 < s2) & (held | (model_variance > 0))
    gaussian = xp.where(at_zero, y0**2 / xp.maximum(s2 + TINY, y0), 2 * y0 - s2)
    return xp.where(s2 > 0, gaussian, 2 * xp.clip(y0, FLOOR, None))


def pgstat(
    counts: Array,
    model_counts: Array,
    background: Array,
    background_error: Array,
    exposure_ratio: float | Array = 1.0,
    systematic: float | Array = 0.0,
    good: Array | None = None,
    normalised: bool = True,
    held: bool = False,
) -> Array:
    """PGSTAT of each spectrum, summed over the bins (those that are `good`).

    counts, background, background_error: (bins,) or (..., bins); model_counts: (..., bins); all in counts, the
    background's in counts of its own exposure, `exposure_ratio` = t_s/t_b. systematic: fractional error of the model,
    per bin or one. normalised, held: as for :func:`pgstat_per_bin`. Returns (...,).
    """
    arrays = (counts, model_counts, background, background_error, exposure_ratio, systematic)
    bins = pgstat_per_bin(*arrays, normalised, held)
    return bins.sum(axis=-1) if good is None else (bins * good).sum(axis=-1)
