r"""The exact posterior of one observation in coordinates in which it is easy to sample.

    x = (z_nH, z_Gamma, z_f, z_kT, b),   z = Phi^-1(u),   b = (ln norm - ln A) / s

A is the norm that the data prefer once the other four parameters are given, s the standard error of its logarithm: with
m the unit-norm counts and V = A m + B + sigma^2 + (e A m)^2 the variance of a bin,

    sum (S - B - A m) A m / V = 0,   s^-2 = sum (A m)^2 / V

The norm, by far the best measured parameter, is then a unit normal nearly independent of the others, whatever the
brightness. Both cost nothing beside the physics, as counts are proportional to norm. The density with respect to x is
L du/dx, the prior being uniform on the cube.

Spectra and statistic may be had in single precision, in half the time: ln L is then off by some 0.01 at 1e8 counts,
which the weights of draws do not feel. Differences between near points do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.arrays import like
from xspecnf.likelihood import log_likelihood
from xspecnf.observation import Observation
from xspecnf.parameters import Parameter, from_unit
from xspecnf.probit import from_normal, log_normal, to_normal

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Precision = type[np.float32] | type[np.float64]

CHUNK = 250
"""Points evaluated at once: few enough that their spectra stay in the cache, which saves a quarter of the time."""

SCORING_STEPS = 3
LARGEST_STEP = 1.0  # in ln A
LARGEST_ERROR = 2.0  # of ln A: where the data say nothing the prior does
LARGEST_LOG_NORM = 50.0  # beyond any prior, and still a number when squared
LEAST_COUNTS = 1e-30
LEAST_VARIANCE = 1e-5  # counts^2


@dataclass(frozen=True)
class Points:
    """Points in parameter space and what the exact physics says of them.

    Attributes:
        x: (S, 5) coordinates.
        u: (S, 5) the same in the prior's unit cube; the last may lie outside it.
        counts: (S, bins) expected source counts, in the precision asked for.
        log_density: (S,) ln of likelihood times prior with respect to x, -inf outside the prior.
        log_volume: (S,) ln of du/dx.
    """

    x: Float64
    u: Float64
    counts: Floats
    log_density: Float64
    log_volume: Float64

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: slice | NDArray[np.intp]) -> Points:
        return Points(*(values[index] for values in vars(self).values()))


def joined(parts: Sequence[Points]) -> Points:
    """All the points of `parts`, in their order."""
    return Points(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))


class Target:
    """The posterior density of an observation.

    Args:
        obs: the observation.
        parameters: five of them, the last one a norm with a logarithmic prior.
        expected_counts: exact physics: (S, 5) physical parameters to (S, bins) counts, in the parameters' precision.
    """

    def __init__(
        self, obs: Observation, parameters: tuple[Parameter, ...], expected_counts: Callable[[Floats], Floats]
    ) -> None:
        self.obs = obs
        self.parameters = parameters
        self.evaluations = 0
        self.expected_counts = expected_counts

    def at(self, x: Float64, precision: Precision = np.float64) -> Points:
        """The posterior at coordinates x (S, 5)."""
        return joined([self._at(part, precision) for part in _chunks(x)])

    def at_unit(self, u: Float64, precision: Precision = np.float64) -> Points:
        """The posterior at points u (S, 5) of the unit cube."""
        return joined([self._at_unit(part, precision) for part in _chunks(u)])

    def variance(self, counts: Floats) -> Floats:
        """Of each bin for expected source counts (..., bins), with the background's error and the systematic one."""
        return counts + _background_variance(self.obs) + (self.obs.systematic * counts) ** 2

    def _at(self, x: Float64, precision: Precision) -> Points:
        u = np.column_stack([from_normal(x[:, :4]), np.zeros(len(x))])
        shape = self._shape(u, precision)
        log_norm, error = preferred_norm(shape, self.obs)
        log_norm = log_norm + error * x[:, 4]
        u[:, 4] = self._unit_norm(log_norm)
        return self._points(x, u, np.exp(np.minimum(log_norm, LARGEST_LOG_NORM)), shape, error)

    def _at_unit(self, u: Float64, precision: Precision) -> Points:
        shape = self._shape(u, precision)
        log_preferred, error = preferred_norm(shape, self.obs)
        norm = from_unit(u, self.parameters)[:, 4]
        x = np.column_stack([to_normal(u[:, :4]), (np.log(norm) - log_preferred) / error])
        return self._points(x, u, norm, shape, error)

    def _points(self, x: Float64, u: Float64, norm: Float64, shape: Floats, error: Float64) -> Points:
        counts = norm.astype(shape.dtype)[:, None] * shape
        log_volume = log_normal(x[:, :4]).sum(axis=1) + np.log(error / np.log(10) / self.parameters[4].scaled_range)
        inside = (u[:, 4] >= 0) & (u[:, 4] <= 1)
        log_l = log_likelihood(np.where(inside[:, None], counts, shape.dtype.type(0)), self.obs).astype(np.float64)
        value = log_l + log_volume
        return Points(x, u, counts, np.where(inside & np.isfinite(value), value, -np.inf), log_volume)

    def _shape(self, u: Float64, precision: Precision) -> Floats:
        """(S, bins) expected counts of norm 1."""
        self.evaluations += len(u)
        theta = from_unit(u, self.parameters).astype(precision)
        theta[:, 4] = 1
        return self.expected_counts(theta)

    def _unit_norm(self, log_norm: Float64) -> Float64:
        norm = self.parameters[4]
        return (log_norm - np.log(norm.low)) / np.log(10) / norm.scaled_range


def preferred_norm(shape: Floats, obs: Observation) -> tuple[Float64, Float64]:
    """ln A and its standard error s, both (S,), for unit-norm counts (S, bins), by Fisher scoring from equal totals."""
    background, systematic, good = (like(a, shape) for a in (_background_variance(obs), obs.systematic**2, obs.good))
    shape = np.maximum(shape, LEAST_COUNTS) * good
    net = (obs.counts - obs.background) * obs.good
    noise = np.sqrt(max(float(obs.counts @ obs.good), 1.0))
    information = np.ones(len(shape))
    log_a = np.log(max(net.sum(), noise) / shape.sum(axis=1, dtype=np.float64))
    for _ in range(SCORING_STEPS):
        model = like(np.exp(np.minimum(log_a, LARGEST_LOG_NORM)), shape)[:, None] * shape
        with np.errstate(over="ignore"):  # an infinite variance divides
            pull = model / (model * (1 + systematic * model) + background)
        expected = np.einsum("sb,sb->s", pull, model).astype(np.float64)
        information = np.maximum(expected, LARGEST_ERROR**-2)
        log_a = log_a + np.clip((pull @ like(net, shape) - expected) / information, -LARGEST_STEP, LARGEST_STEP)
    return log_a, information**-0.5


def _background_variance(obs: Observation) -> Float64:
    return obs.background + obs.background_error**2 + LEAST_VARIANCE


def _chunks(points: Float64) -> list[Float64]:
    return [points[start : start + CHUNK] for start in range(0, max(len(points), 1), CHUNK)]
