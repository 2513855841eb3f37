r"""Ensemble MCMC from samples that are nearly right: the last resort where no mixture is a good proposal.

ENSEMBLES independent ones of WALKERS each; one half of an ensemble moves at a time and reads its steps off the other,
so that nothing needs tuning and bent, correlated posteriors are no harder than round ones:

    differential  y = x + g (a - b),  g = 2.38/sqrt(2d), at times 1: from one mode to another
    snooker       y = x + g u u'(a - b),  u along x - c,  weight (|y - c|/|x - c|)^(d-1)
    independent   y drawn from a mixture q that knows the modes,  weight q(x)/q(y)

with a, b, c walkers of the other half (ter Braak 2006, Stat. Comput. 16, 239; ter Braak & Vrugt 2008, Stat. Comput.
18, 435; halves: Foreman-Mackey et al. 2013, PASP 125, 306). The first half of all sweeps is left out. As the ensembles
never meet, R-hat compares them honestly: each is one chain (cf. Margossian et al. 2024, arXiv:2110.13017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.convergence import effective_size, split_rhat
from xspecnf.mixture import StudentMixture

Float64 = NDArray[np.float64]
LogDensity = Callable[[Float64], Float64]
Move = Callable[[Float64, Float64, np.random.Generator], tuple[Float64, Float64]]

ENSEMBLES = 4
WALKERS = 50

BLOCK = 40
"""Sweeps between two looks at convergence."""

SWEEPS, MAX_SWEEPS = 200, 400
"""After which chains that have converged, and any, are asked for no more."""

LARGEST_RHAT = 1.01
LEAST_ESS = 400.0
"""Both as Vehtari et al. (2021) recommend: fewer effective draws cannot tell R-hat."""

MOVES = (0.5, 0.1, 0.4)
"""How often: differential, snooker, independent."""

MODE_JUMPS = 0.1
"""Of the differential moves."""

JITTER = 1e-3
"""Of the ensemble's width: walkers that start at the same point must part."""


@dataclass(frozen=True)
class Chain:
    """What an ensemble left behind.

    Attributes:
        x: (T, E, W, d) of the sweeps that count.
        rhat: rank-normalised split R-hat of the ensembles, the worst coordinate's.
        ess: effective sample size, the worst coordinate's.
        evaluations: of the density, those of the sweeps left out included.
    """

    x: Float64
    rhat: float
    ess: float
    evaluations: int

    @property
    def converged(self) -> bool:
        return self.rhat < LARGEST_RHAT and self.ess >= LEAST_ESS

    def draws(self, size: int, rng: np.random.Generator) -> Float64:
        """(size, d) in random order, from all walkers and as far apart in each one's sweeps as they can be."""
        by_walker = self.x.transpose(1, 2, 0, 3).reshape(-1, self.x.shape[-1])
        index = ((np.arange(size) + rng.random()) * len(by_walker) / size).astype(int)
        return by_walker[rng.permutation(index)]

    def worth(self, size: int) -> float:
        """Effective number of so many `draws`: S tanh(ESS/S), as of a process whose correlation falls exponentially."""
        return size * float(np.tanh(self.ess / size))


def sample(
    log_density: LogDensity, start: Float64, jumps: StudentMixture, ess: float, rng: np.random.Generator
) -> Chain:
    """Run until the chains have converged and are worth `ess` draws, or are SWEEPS long; at most MAX_SWEEPS.

    Args:
        log_density: ln of the density, up to a constant, of x (S, d); -inf outside its support.
        start: (ENSEMBLES * WALKERS, d) of finite density, about as the density has it.
        jumps: proposes independent moves.
        ess: effective draws that are wanted.
        rng: draws everything.
    """
    walkers = start.reshape(ENSEMBLES, WALKERS, -1)
    density = log_density(start).reshape(ENSEMBLES, WALKERS)
    moves = (_differential, _snooker, _independent(jumps))
    sweeps: list[Float64] = []
    while True:
        for _ in range(BLOCK):
            walkers, density = _sweep(log_density, walkers, density, moves, rng)
            sweeps.append(walkers)
        chain = _judged(np.array(sweeps[len(sweeps) // 2 :]), len(start) * (1 + len(sweeps)))
        enough = chain.ess >= ess or len(sweeps) >= SWEEPS
        if len(sweeps) >= MAX_SWEEPS or (chain.converged and enough):
            return chain


def _judged(x: Float64, evaluations: int) -> Chain:
    steps, ensembles, walkers, d = x.shape
    by_ensemble = x.transpose(0, 2, 1, 3).reshape(steps * walkers, ensembles, d)
    by_walker = x.reshape(steps, ensembles * walkers, d)
    rhat = max(split_rhat(by_ensemble[..., k]) for k in range(d))
    return Chain(x, rhat, min(effective_size(by_walker[..., k]) for k in range(d)), evaluations)


def _sweep(
    log_density: LogDensity, x: Float64, density: Float64, moves: tuple[Move, ...], rng: np.random.Generator
) -> tuple[Float64, Float64]:
    """Every walker of x (E, W, d) once, one half after the other."""
    x, density = x.copy(), density.copy()
    for half in (slice(None, WALKERS // 2), slice(WALKERS // 2, None)):
        others = np.delete(x, half, axis=1)
        move = moves[rng.choice(len(moves), p=MOVES)]
        y, log_weight = move(x[:, half], others, rng)
        trial = log_density(y.reshape(-1, y.shape[-1])).reshape(y.shape[:2])
        accepted = np.log(rng.random(trial.shape)) < trial - density[:, half] + log_weight
        x[:, half] = np.where(accepted[..., None], y, x[:, half])
        density[:, half] = np.where(accepted, trial, density[:, half])
    return x, density


def _differential(x: Float64, others: Float64, rng: np.random.Generator) -> tuple[Float64, Float64]:
    a, b = _chosen(2, x, others, rng)
    scale = np.where(rng.random(x.shape[:2]) < MODE_JUMPS, 1.0, 2.38 / np.sqrt(2 * x.shape[-1]))
    noise = JITTER * others.std(axis=1, keepdims=True) * rng.standard_normal(x.shape)
    return x + scale[..., None] * (a - b) + noise, np.zeros(x.shape[:2])


def _snooker(x: Float64, others: Float64, rng: np.random.Generator) -> tuple[Float64, Float64]:
    a, b, c = _chosen(3, x, others, rng)
    away = x - c
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    along = away / np.maximum(distance, 1e-300)
    step = rng.uniform(1.2, 2.2, distance.shape) * ((a - b) * along).sum(axis=-1, keepdims=True)
    stretch = np.abs(distance + step) / np.maximum(distance, 1e-300)
    return x + step * along, (x.shape[-1] - 1) * np.log(np.maximum(stretch, 1e-300))[..., 0]


def _independent(jumps: StudentMixture) -> Move:
    def move(x: Float64, others: Float64, rng: np.random.Generator) -> tuple[Float64, Float64]:
        y = np.array([jumps.draw(x.shape[1], rng) for _ in x])  # stratified, which ensembles must not share
        log_q, log_q_new = (jumps.log_density(z.reshape(-1, z.shape[-1])).reshape(z.shape[:2]) for z in (x, y))
        return y, log_q - log_q_new

    return move


def _chosen(number: int, x: Float64, others: Float64, rng: np.random.Generator) -> Float64:
    """For each walker of x (E, H, d) `number` different ones of the others (E, H', d): (number, E, H, d)."""
    order = rng.random((*x.shape[:2], others.shape[1])).argsort(axis=-1)[..., :number]
    return np.moveaxis(others[np.arange(len(x))[:, None, None], order], 2, 0)
