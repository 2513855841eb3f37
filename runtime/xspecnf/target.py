r"""The exact posterior of one observation in coordinates in which it is easy to sample.

    x = (z_nH, z_Gamma, z_f, z_kT, b),   z = Phi^-1(u),   b = (ln norm - ln A) / s

A is the norm that the data prefer once the other four parameters are given, s the standard error of its logarithm: with
m the unit-norm counts and V = A m + B + sigma^2 + (e A m)^2 the variance of a bin,

    sum (S - B - A m) A m / V = 0,   s^-2 = sum (A m)^2 / V

The norm, by far the best measured parameter, is then a unit normal nearly independent of the others, whatever the
brightness. Both cost nothing beside the physics, as counts are proportional to norm. The density with respect to x is
L du/dx, the prior being uniform on the cube.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.observation import Observation
from xspecnf.parameters import Parameter, from_unit
from xspecnf.probit import from_normal, log_normal, to_normal
from xspecnf.statistics import log_likelihood

Float64 = NDArray[np.float64]

CHUNK = 250
"""Points evaluated at once: few enough that their spectra stay in the cache, which saves a quarter of the time."""

SCORING_STEPS = 3
LARGEST_STEP = 1.0  # in ln A
LARGEST_ERROR = 2.0  # of ln A: where the data say nothing the prior does
LARGEST_LOG_NORM = 50.0  # beyond any prior, and still a number when squared
LEAST_COUNTS = 1e-100
LEAST_VARIANCE = 1e-5  # counts^2


@dataclass(frozen=True)
class Points:
    """Points in parameter space and what the exact physics says of them.

    Attributes:
        x: (S, 5) coordinates.
        u: (S, 5) the same in the prior's unit cube; the last may lie outside it.
        counts: (S, 240) expected source counts.
        log_density: (S,) ln of likelihood times prior with respect to x, -inf outside the prior.
        log_volume: (S,) ln of du/dx.
    """

    x: Float64
    u: Float64
    counts: Float64
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
        expected_counts: exact physics: (S, 5) physical parameters to (S, 240) counts.
    """

    def __init__(
        self, obs: Observation, parameters: tuple[Parameter, ...], expected_counts: Callable[[Float64], Float64]
    ) -> None:
        self.obs = obs
        self.parameters = parameters
        self.evaluations = 0
        self._expected_counts = expected_counts

    def at(self, x: Float64) -> Points:
        """The posterior at coordinates x (S, 5)."""
        return joined([self._at(x[start : start + CHUNK]) for start in range(0, max(len(x), 1), CHUNK)])

    def at_unit(self, u: Float64) -> Points:
        """The posterior at points u (S, 5) of the unit cube."""
        return joined([self._at_unit(u[start : start + CHUNK]) for start in range(0, max(len(u), 1), CHUNK)])

    def variance(self, counts: Float64) -> Float64:
        """Of each bin for expected source counts (..., 240), the background's error and the systematic one included."""
        return _variance(counts, self.obs)

    def _at(self, x: Float64) -> Points:
        u = np.column_stack([from_normal(x[:, :4]), np.zeros(len(x))])
        shape = self._shape(u)
        log_norm, error = preferred_norm(shape, self.obs)
        log_norm = log_norm + error * x[:, 4]
        u[:, 4] = self._unit_norm(log_norm)
        return self._points(x, u, np.exp(np.minimum(log_norm, LARGEST_LOG_NORM))[:, None] * shape, error)

    def _at_unit(self, u: Float64) -> Points:
        shape = self._shape(u)
        log_preferred, error = preferred_norm(shape, self.obs)
        norm = from_unit(u, self.parameters)[:, 4]
        x = np.column_stack([to_normal(u[:, :4]), (np.log(norm) - log_preferred) / error])
        return self._points(x, u, norm[:, None] * shape, error)

    def _points(self, x: Float64, u: Float64, counts: Float64, error: Float64) -> Points:
        log_volume = log_normal(x[:, :4]).sum(axis=1) + np.log(error / np.log(10) / self.parameters[4].scaled_range)
        inside = (u[:, 4] >= 0) & (u[:, 4] <= 1)
        value = log_likelihood(np.where(inside[:, None], counts, 0.0), self.obs) + log_volume
        return Points(x, u, counts, np.where(inside & np.isfinite(value), value, -np.inf), log_volume)

    def _shape(self, u: Float64) -> Float64:
        """(S, 240) expected counts of norm 1."""
        self.evaluations += len(u)
        theta = from_unit(u, self.parameters)
        theta[:, 4] = 1.0
        return self._expected_counts(theta)

    def _unit_norm(self, log_norm: Float64) -> Float64:
        norm = self.parameters[4]
        return (log_norm - np.log(norm.low)) / np.log(10) / norm.scaled_range


def preferred_norm(shape: Float64, obs: Observation) -> tuple[Float64, Float64]:
    """ln A and its standard error s, both (S,), for unit-norm counts (S, 240), by Fisher scoring from equal totals."""
    shape = np.maximum(shape, LEAST_COUNTS) * obs.good
    net = (obs.counts - obs.background) * obs.good
    noise = np.sqrt(max(float(obs.counts @ obs.good), 1.0))
    log_a = np.log(max(net.sum(), noise) / shape.sum(axis=1))
    information = np.empty(len(shape))
    for _ in range(SCORING_STEPS):
        model = np.exp(log_a)[:, None] * shape
        pull = model / _variance(model, obs)
        expected = np.einsum("sb,sb->s", pull, model)
        information = np.maximum(expected, LARGEST_ERROR**-2)
        log_a = log_a + np.clip((pull @ net - expected) / information, -LARGEST_STEP, LARGEST_STEP)
    return log_a, information**-0.5


def _variance(model: Float64, obs: Observation) -> Float64:
    return model + obs.background + obs.background_error**2 + (obs.systematic * model) ** 2 + LEAST_VARIANCE
