r"""The maximum-likelihood fit with the exact physics.

Minimised is -2 ln L: PGSTAT and, with a systematic error, the ln term that makes it a likelihood. The prior counts only
through its bounds. Ascents by Fisher scoring (see xspecnf.peaks) start from the best of points scattered over the prior
and, if there is a network, its draws; the best end is followed until nothing is gained.

The covariance is the inverse Fisher information in the prior's unit cube, where a logarithmic parameter is one,

    F = dm/du V^-1 dm/du'

with m the counts and V their variance; parameters on a bound are left out of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from xspecnf.companions import Companions
from xspecnf.errors import InputError
from xspecnf.likelihood import fit_statistic
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, Parameter, from_unit, to_unit
from xspecnf.peaks import ITERATIONS, STEPS, Place, climb
from xspecnf.physics import expected_counts
from xspecnf.target import Floats, Points, Target, joined

Float64 = NDArray[np.float64]

SCATTERED = 1000
"""Points of the prior among which starts are chosen, beside any candidates."""

STARTS = 12
TEMPERATURE = 3
FINE = 1e-5
"""ln L that the last ascents expect to gain no more than."""

LEAST_SLOPE = 1e-6
"""Standard deviations of the counts over a parameter's whole range: with less the data do not see it."""

ON_BOUND = 1e-3
"""Share of a parameter's range within which it sits on its bound."""

BARRIER, BETWEEN = 1.0, 9
"""Two minima are one unless the statistic rises by so much, at one of so many points on the line between them."""

WORTH_TELLING = 10.0
"""Other minima are reported up to this much above the best."""


class Likelihood(Target):
    """ln L as a density over the coordinates of the posterior: without the volume that makes it one."""

    def _points(self, x: Float64, u: Float64, norm: Float64, shape: Floats, error: Float64) -> Points:
        points = super()._points(x, u, norm, shape, error)
        return replace(points, log_density=points.log_density - points.log_volume)


@dataclass(frozen=True)
class Minimum:
    """A local minimum: theta (5,) in physical units and -2 ln L there."""

    theta: tuple[float, ...]
    statistic: float


@dataclass(frozen=True)
class BestFit:
    """The maximum-likelihood fit of one observation.

    Attributes:
        file: the observation's file or name.
        parameters: names, units and bounds, in theta's order.
        theta: (5,) in physical units.
        statistic: -2 ln L, which errors are measured by.
        pgstat: the same without the systematic error's normalisation, to be compared with dof.
        dof: good bins less free parameters.
        bins: good bins.
        counts: total counts in them.
        covariance: (5, 5) in the prior's unit cube; NaN for a parameter on a bound.
        others: further minima not far above the best, in order.
        evaluations: of the exact physics.
        seconds: wall time.
        notes: what the reading of the files had to assume.
        files: the spectrum, response and background that were read; None where there were none.
    """

    file: str
    parameters: tuple[Parameter, ...]
    theta: tuple[float, ...]
    statistic: float
    pgstat: float
    dof: int
    bins: int
    counts: int
    covariance: Float64
    others: tuple[Minimum, ...]
    evaluations: int
    seconds: float
    notes: tuple[str, ...]
    files: Companions | None = None

    @property
    def u(self) -> Float64:
        """(5,) theta in the prior's unit cube."""
        return to_unit(np.array(self.theta), self.parameters)

    @property
    def sigma(self) -> Float64:
        """(5,) standard errors in the prior's unit cube; NaN for a parameter on a bound."""
        return np.sqrt(np.diagonal(self.covariance))

    @property
    def on_bound(self) -> tuple[str, ...]:
        """Names of the parameters that sit on a bound."""
        return tuple(p.name for p, error in zip(self.parameters, self.sigma, strict=True) if np.isnan(error))

    def interval(self, delta: float = 1.0) -> Float64:
        """(5, 2) physical values where the parabola of the curvature has risen by `delta`, held to the bounds; NaN for
        a parameter on a bound. `delta` 1 is 68 %, 2.706 is 90 % for one parameter.
        """
        half = np.sqrt(delta) * self.sigma
        return from_unit(np.clip([self.u - half, self.u + half], 0, 1), self.parameters).T


def fit(
    obs: Observation,
    candidates: Float64 | None = None,
    parameters: tuple[Parameter, ...] = BHB_PARAMETERS,
    iterations: int = ITERATIONS,
    scattered: int = SCATTERED,
) -> BestFit:
    """Fit one observation.

    Args:
        obs: the observation.
        candidates: (P, 5) points of the unit cube to start from as well, such as a posterior's samples.
        parameters: names and bounds.
        iterations: steps from a start at most, and as many again in which the best end settles.
        scattered: points over the prior to start from, the same ones every time; 0 with candidates that suffice.

    Raises:
        InputError: no bin is good, or the likelihood is zero at every candidate.
    """
    started = time.perf_counter()
    if not obs.good.any():
        raise InputError(f"{obs.name}: every bin holds channels of bad quality; nothing is left to fit")
    likelihood = Likelihood(obs, parameters, partial(expected_counts, obs=obs))
    ends = climb(likelihood, _starts(likelihood, candidates, scattered), iterations=iterations)
    best = climb(likelihood, ends.points.x[[np.argmax(ends.points.log_density)]], FINE, iterations)
    return _best_fit(likelihood, ends, best, time.perf_counter() - started)


def _starts(likelihood: Likelihood, candidates: Float64 | None, scattered: int) -> Float64:
    """The best point in each of STARTS slices of the disc's temperature (STARTS, 5): modes differ in it."""
    parts = [likelihood.at_unit(candidates)] if candidates is not None and len(candidates) else []
    if scattered or not parts:
        z = np.random.default_rng(0).standard_normal((scattered or SCATTERED, 4))
        parts.append(likelihood.at(np.column_stack([z, np.zeros(len(z))])))
    points = joined(parts)
    if not np.any(np.isfinite(points.log_density)):
        raise InputError(f"{likelihood.obs.name}: the model's likelihood is zero everywhere; check counts and response")
    slices = np.array_split(np.argsort(points.x[:, TEMPERATURE]), min(STARTS, len(points)))
    return np.array([points.x[part[np.argmax(points.log_density[part])]] for part in slices])


def _best_fit(likelihood: Likelihood, ends: Place, best: Place, seconds: float) -> BestFit:
    obs, parameters = likelihood.obs, likelihood.parameters
    bins = int(obs.good.sum())
    return BestFit(
        file=obs.name,
        parameters=parameters,
        theta=tuple(from_unit(best.points.u[0], parameters).tolist()),
        statistic=float(-2 * best.points.log_density[0]),
        pgstat=float(fit_statistic(best.points.counts, obs)[0]),
        dof=bins - len(parameters),
        bins=bins,
        counts=round(float(obs.counts[obs.good].sum())),
        covariance=covariance(likelihood, best.points),
        others=_others(likelihood, ends.points, best.points),
        evaluations=likelihood.evaluations,
        seconds=seconds,
        notes=obs.notes,
        files=obs.files,
    )


def covariance(target: Target, point: Points) -> Float64:
    """F^-1 (5, 5) in the unit cube at one point; NaN for coordinates on a bound."""
    around = target.at(point.x + np.concatenate([np.diag(STEPS), -np.diag(STEPS)]))
    du_dx = (around.u[:5] - around.u[5:]) / (2 * STEPS[:, None])
    dm_dx = (around.counts[:5] - around.counts[5:]) / (2 * STEPS[:, None])
    free = np.flatnonzero((point.u[0] > ON_BOUND) & (point.u[0] < 1 - ON_BOUND))
    dm_du = np.linalg.pinv(du_dx[:, free]) @ dm_dx
    information = (dm_du * (target.obs.good / target.variance(point.counts[0]))) @ dm_du.T
    scale = np.maximum(np.sqrt(np.diagonal(information)), LEAST_SLOPE)
    result = np.full((5, 5), np.nan)
    result[np.ix_(free, free)] = np.linalg.pinv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    unseen = free[scale <= LEAST_SLOPE]
    result[unseen, unseen] = np.inf
    return result


def _others(likelihood: Likelihood, ends: Points, best: Points) -> tuple[Minimum, ...]:
    """The minima that other ascents ended in, far ones and those without a barrier to a better one left out."""
    kept, found = [best.x[0]], []
    for k in np.argsort(-ends.log_density):
        near = 2 * (best.log_density[0] - ends.log_density[k]) < WORTH_TELLING
        if near and all(_barrier(likelihood, ends.x[k], x) > BARRIER for x in kept):
            kept.append(ends.x[k])
            theta = from_unit(ends.u[k], likelihood.parameters)
            found.append(Minimum(tuple(theta.tolist()), float(-2 * ends.log_density[k])))
    return tuple(found)


def _barrier(likelihood: Likelihood, one: Float64, other: Float64) -> float:
    """By how much the statistic between two points (5,) rises above the higher of them."""
    line = likelihood.at(one + np.linspace(0, 1, BETWEEN)[:, None] * (other - one)).log_density
    return float(2 * (min(line[0], line[-1]) - line.min()))
