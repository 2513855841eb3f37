r"""The posterior's peaks and their widths, by Fisher scoring with Levenberg's damping from several starts at once.

    (F + lambda diag F) dx = g,   F = J V^-1 J' + I_z,   J = dm/dx

g is the gradient of the ln density, V the variance of the counts m and I_z the curvature of the normal prior of the
first four coordinates; both derivatives are central differences. F^-1 at a peak is its covariance (Laplace).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.mixture import StudentMixture
from xspecnf.target import Points, Target

Float64 = NDArray[np.float64]

STEPS = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1e-2])
"""Of the differences: small beside a posterior's width at 1e8 counts, large beside rounding."""

ITERATIONS = 50
CONVERGED = 0.01
"""An ascent ends where it expects to gain no more ln density than this."""

PRIOR_CURVATURE = np.array([1.0, 1.0, 1.0, 1.0, 1e-3])
"""The normal prior's; nearly none for the brightness, which the data alone hold."""

FARTHEST = 7.0
LONGEST = np.array([0.3, 0.3, 0.3, 0.3, 10.0])
"""A longer step may jump from one peak to another."""

ROUNDING = 1e-10

NEGLIGIBLE = 1e-5
"""Peaks with a smaller share of the probability are dropped."""

WIDENING = 1.4
"""Of the Laplace widths: a peak that bends or leans is wider than its top tells."""

LEAST_SHARE = 0.1
"""Of a peak that is kept: the Laplace estimate of its mass is a rough one."""


@dataclass(frozen=True)
class Place:
    """Where K ascents are: points, gradients (K, 5) and curvatures F (K, 5, 5) of the ln density."""

    points: Points
    gradient: Float64
    curvature: Float64


def find_peaks(target: Target, starts: Float64) -> StudentMixture:
    """One component for each distinct peak that the ascents from `starts` (K, 5) reach."""
    place = climb(target, starts)
    roots = _covariance_roots(place.curvature)
    log_mass = place.points.log_density + np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    kept: list[int] = []
    for k in np.argsort(-log_mass):
        matters = log_mass[k] - log_mass.max() > np.log(NEGLIGIBLE)  # of -1e20 a sum would be the number itself
        if matters and not any(_close(place, k, other) for other in kept):
            kept.append(int(k))
    mass = np.exp(log_mass[kept] - log_mass.max())
    shares = np.maximum(mass / mass.sum(), LEAST_SHARE)
    return StudentMixture(shares / shares.sum(), place.points.x[kept], WIDENING * roots[kept])


def climb(target: Target, starts: Float64, gain: float = CONVERGED, iterations: int = ITERATIONS) -> Place:
    """Ascend from every start (K, 5) until a step expects to gain no more ln density than `gain`, or for so many."""
    place = survey(target, starts)
    damping = np.full(len(starts), 1e-3)
    for _ in range(iterations):
        step = _damped_step(place, damping)
        climbing = np.flatnonzero(np.einsum("ki,ki->k", step, place.gradient) > gain)
        if len(climbing) == 0:
            break
        trial = survey(target, np.clip(place.points.x + step, -FARTHEST, FARTHEST)[climbing])
        better = trial.points.log_density > place.points.log_density[climbing]
        place = _moved(place, climbing[better], trial, better)
        damping[climbing] *= np.where(better, 0.1, 10)
    return place


def _damped_step(place: Place, damping: Float64) -> Float64:
    """(F + lambda diag F)^-1 g (K, 5), held to LONGEST; the diagonal is scaled to one, as widths differ by decades."""
    scale, correlation = _scaled(place.curvature)
    damped = correlation + damping[:, None, None] * np.eye(5)
    step = np.linalg.solve(damped, (place.gradient / scale)[:, :, None])[:, :, 0] / scale
    return step / np.maximum(1, np.max(np.abs(step) / LONGEST, axis=1, keepdims=True))


def _covariance_roots(curvature: Float64) -> Float64:
    """Triangular A (K, 5, 5) with A A' = F^-1: with F = D C C' D it is (C^-1)' over D."""
    scale, correlation = _scaled(curvature)
    root = np.linalg.cholesky(correlation + ROUNDING * np.eye(5))
    return np.linalg.inv(root).transpose(0, 2, 1) / scale[:, :, None]


def _scaled(curvature: Float64) -> tuple[Float64, Float64]:
    """Square roots of the diagonal (K, 5), and the matrix with these divided out."""
    scale = np.sqrt(np.einsum("kii->ki", curvature))
    return scale, curvature / (scale[:, :, None] * scale[:, None, :])


def survey(target: Target, x: Float64) -> Place:
    """Density, gradient and curvature at x (K, 5), from eleven evaluations each."""
    offsets = np.concatenate([np.zeros((1, 5)), np.diag(STEPS), -np.diag(STEPS)])
    around = target.at((x[:, None] + offsets).reshape(-1, 5))
    density = around.log_density.reshape(len(x), 11)
    counts = around.counts.reshape(len(x), 11, -1)
    with np.errstate(invalid="ignore"):  # inf - inf beside the prior's edge
        gradient = (density[:, 1:6] - density[:, 6:]) / (2 * STEPS)
    slopes = (counts[:, 1:6] - counts[:, 6:]) / (2 * STEPS[:, None])
    weighted = slopes * (target.obs.good / target.variance(counts[:, :1]))
    curvature = weighted @ slopes.transpose(0, 2, 1) + np.diag(PRIOR_CURVATURE)
    return Place(around[::11], np.where(np.isfinite(gradient), gradient, 0.0), curvature)


def _moved(place: Place, movers: NDArray[np.intp], trial: Place, better: NDArray[np.bool_]) -> Place:
    """`place` with those numbered `movers` replaced by the trials that are better."""

    def put(old: Float64, new: Float64) -> Float64:
        result = old.copy()
        result[movers] = new[better]
        return result

    pairs = zip(vars(place.points).values(), vars(trial.points).values(), strict=True)
    points = Points(*(put(old, new) for old, new in pairs))
    return Place(points, put(place.gradient, trial.gradient), put(place.curvature, trial.curvature))


def _close(place: Place, k: int, other: int) -> bool:
    """Whether two ascents ended within a standard deviation of each other."""
    away = place.points.x[k] - place.points.x[other]
    return float(away @ place.curvature[other] @ away) < 1
