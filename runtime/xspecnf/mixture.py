r"""Mixtures of multivariate Student-t laws: proposals whose tails are heavier than a posterior's.

    q(x) = sum_k a_k t(x; mu_k, S_k),   t(x; mu, S) ~ |S|^(-1/2) (1 + D/nu)^(-(nu + d)/2),   D = (x-mu)' S^-1 (x-mu)

Weighted samples are fitted by expectation-maximisation, the t being a scale mixture of normals (Peel & McLachlan 2000,
Stat. Comput. 10, 339; for importance samples: Cappe et al. 2008, Stat. Comput. 18, 447).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

NU = 8.0
"""Degrees of freedom: tails heavy enough to bound the weights, near enough to a normal to waste few samples."""

LLOYD_STEPS = 5
EM_STEPS = 10

COMPONENT_SAMPLES = 10.0
"""A component with fewer effective samples than this has no shape of its own and is dropped."""


@dataclass(frozen=True)
class StudentMixture:
    """A mixture of K Student-t laws in d dimensions.

    Attributes:
        shares: (K,) of the components, positive, sum 1.
        means: (K, d).
        roots: (K, d, d) triangular A, with A A' the scale matrices S.

    Raises:
        ValueError: the shapes disagree, or the shares are no distribution.
    """

    shares: Float64
    means: Float64
    roots: Float64

    def __post_init__(self) -> None:
        k, d = self.means.shape
        if self.shares.shape != (k,) or self.roots.shape != (k, d, d):
            raise ValueError(f"shares {self.shares.shape}, means {self.means.shape} and roots {self.roots.shape}")
        if np.any(self.shares <= 0) or not np.isclose(self.shares.sum(), 1):
            raise ValueError("the shares must be positive and sum to 1")

    def log_density(self, x: Float64) -> Float64:
        """ln q (S,) at x (S, d)."""
        return _log_sum(self.log_terms(x)[0])

    def log_terms(self, x: Float64) -> tuple[Float64, Float64]:
        """Each component's ln a_k t(x), and its squared distances D; both (K, S)."""
        d = x.shape[1]
        whitened = (x - self.means[:, None]) @ np.linalg.inv(self.roots).transpose(0, 2, 1)
        distances = np.einsum("ksd,ksd->ks", whitened, whitened)
        log_scale = np.log(np.diagonal(self.roots, axis1=1, axis2=2)).sum(axis=1)  # triangular
        constant = lgamma((NU + d) / 2) - lgamma(NU / 2) - d / 2 * np.log(NU * np.pi)
        log_t = constant - log_scale[:, None] - (NU + d) / 2 * np.log1p(distances / NU)
        return np.log(self.shares)[:, None] + log_t, distances

    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        """(size, d) samples in random order, the components' numbers stratified."""
        d = self.means.shape[1]
        levels = (rng.permutation(size) + rng.random()) / size
        component = np.minimum(np.searchsorted(np.cumsum(self.shares), levels), len(self.shares) - 1)
        stretch = np.sqrt(NU / rng.chisquare(NU, size))
        steps = np.einsum("sde,se->sd", self.roots[component], rng.standard_normal((size, d)))
        return self.means[component] + stretch[:, None] * steps


def blend(parts: Sequence[tuple[float, StudentMixture]]) -> StudentMixture:
    """One mixture out of several with their shares, which are normalised here."""
    total = sum(share for share, _ in parts)
    return StudentMixture(
        np.concatenate([share / total * mixture.shares for share, mixture in parts]),
        np.concatenate([mixture.means for _, mixture in parts]),
        np.concatenate([mixture.roots for _, mixture in parts]),
    )


def fit(x: Float64, weights: Float64, components: int, rng: np.random.Generator) -> StudentMixture:
    """The mixture of at most `components` laws that is likeliest for weighted samples.

    Args:
        x: (S, d) samples.
        weights: (S,) non-negative; their scale does not matter.
        components: asked for; those that find too few samples are dropped.
        rng: places the first centres.
    """
    used = weights > 1e-6 * weights.max()
    x, weights = x[used], weights[used] / weights[used].sum()
    centre = weights @ x
    scale = np.sqrt(weights @ (x - centre) ** 2) + 1e-12
    mixture = _fit_scaled((x - centre) / scale, weights, components, rng)
    return StudentMixture(mixture.shares, centre + scale * mixture.means, scale[:, None] * mixture.roots)


def _fit_scaled(x: Float64, weights: Float64, components: int, rng: np.random.Generator) -> StudentMixture:
    """:func:`fit` for samples of mean 0 and variance 1."""
    nearest = clusters(x, weights, components, rng)
    members = (nearest == np.arange(components)[:, None]).astype(np.float64)
    mixture = _maximise(x, weights, members, np.ones_like(members))
    for _ in range(EM_STEPS):
        log_terms, distances = mixture.log_terms(x)
        members = np.exp(log_terms - _log_sum(log_terms))
        mixture = _maximise(x, weights, members, (NU + x.shape[1]) / (NU + distances))
    return mixture


def _maximise(x: Float64, weights: Float64, members: Float64, stretch: Float64) -> StudentMixture:
    """Shares, means and scale matrices from memberships and inverse stretches (K, S); small components are dropped."""
    mass = weights * members
    effective = mass.sum(axis=1) ** 2 / np.maximum((mass**2).sum(axis=1), 1e-300)
    keep = effective >= min(COMPONENT_SAMPLES, effective.max())
    mass, stretch, effective = mass[keep], stretch[keep], effective[keep]
    total, pull = mass.sum(axis=1), mass * stretch
    means = (pull @ x) / pull.sum(axis=1)[:, None]
    away = x - means[:, None]
    spread = (pull[:, :, None] * away).transpose(0, 2, 1) @ away / total[:, None, None]
    roots = np.linalg.cholesky(_widened(spread, effective)).astype(np.float64)
    return StudentMixture(total / total.sum(), means, roots)


def _widened(spread: Float64, effective: Float64) -> Float64:
    """Scale matrices (K, d, d), each wider by what its number of samples leaves unknown of it."""
    d = spread.shape[1]
    return spread * (1 + (d + 1) / effective)[:, None, None] + 1e-9 * np.eye(d)


def clusters(x: Float64, weights: Float64, number: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """k-means: the cluster (S,) of each sample, centres started far apart (Arthur & Vassilvitskii 2007)."""
    centres = x[rng.choice(len(x), 1, p=weights / weights.sum())]
    while len(centres) < number:
        chance = weights * _squared_distances(x, centres).min(axis=0)
        if not chance.sum() > 0:
            break
        centres = np.vstack([centres, x[rng.choice(len(x), p=chance / chance.sum())]])
    nearest = _squared_distances(x, centres).argmin(axis=0)
    for _ in range(LLOYD_STEPS):
        mass = weights * (nearest == np.arange(len(centres))[:, None])
        held = mass.sum(axis=1) > 0
        centres[held] = (mass[held] @ x) / mass[held].sum(axis=1)[:, None]
        nearest = _squared_distances(x, centres).argmin(axis=0)
    return nearest


def _squared_distances(x: Float64, centres: Float64) -> Float64:
    """(K, S) squared Euclidean distances."""
    return ((x - centres[:, None]) ** 2).sum(axis=2)


def _log_sum(terms: Float64) -> Float64:
    """ln of the sum of exponentials over the first axis."""
    top = terms.max(axis=0)
    return top + np.log(np.exp(terms - top).sum(axis=0))
