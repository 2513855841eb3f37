"""The likelihood of an observation, and the measure of fit: PGSTAT (:mod:`xspecnf.statistics`) or, if the observation
says so, the marginal likelihood (:mod:`xspecnf.marginal`)."""

from typing import TYPE_CHECKING

import numpy as np

from xspecnf.arrays import Array, like
from xspecnf.marginal import marginal_per_bin
from xspecnf.statistics import pgstat

if TYPE_CHECKING:
    from xspecnf.observation import Observation


def log_likelihood(model_counts: Array, obs: "Observation") -> Array:
    """ln L, up to a constant, of an observation for model_counts (S, bins); (S,). Marginal if the observation is."""
    if not obs.marginal:
        return -0.5 * _pgstat(model_counts, obs, obs.counts, normalised=True)
    arrays = (obs.counts, obs.background, obs.background_error, obs.systematic)
    bins = marginal_per_bin(model_counts, *(like(values, model_counts) for values in arrays))
    return -0.5 * np.where(obs.good, bins, 0).sum(axis=-1)  # what is not good may be infinite


def fit_statistic(model_counts: Array, obs: "Observation", counts: Array | None = None, held: bool = False) -> Array:
    """PGSTAT (...,) of model counts (..., bins), with the systematic error as variance but without the logarithm.

    counts: (..., bins), in place of the observed ones. The logarithm belongs to the likelihood; in a measure of fit it
    would add several per bin to a perfect fit of a bright source. held: as for :func:`xspecnf.statistics.pgstat`.
    """
    return _pgstat(model_counts, obs, obs.counts if counts is None else counts, normalised=False, held=held)


def _pgstat(model_counts: Array, obs: "Observation", counts: Array, normalised: bool, held: bool = False) -> Array:
    """In the precision of the model counts."""
    arrays = (counts, obs.background, obs.background_error, obs.systematic)
    s, b, sigma, e = (like(values, model_counts) for values in arrays)
    with np.errstate(over="ignore"):  # an error of 1e10 counts: its square's square is infinite, and divides
        return pgstat(s, model_counts, b, sigma, systematic=e, good=obs.good, normalised=normalised, held=held)
