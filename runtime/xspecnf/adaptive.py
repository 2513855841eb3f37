r"""Adaptive importance sampling: a proposal that learns the exact posterior, started by the network's samples.

The network's draws, with weights w = L/q, are the pilot. Where they are good enough they are the answer. Where not, a
mixture q_1 of Student-t laws is placed on the peaks that ascents from them reach and on the pilot itself; each round r
draws n_r points from q_r, weighs all the points of all rounds by the deterministic mixture

    w_i = p(x_i) / sum_r (n_r/N) q_r(x_i)

(Owen & Zhou 2000, J. Am. Stat. Assoc. 95, 135; AMIS: Cornuet et al. 2012, Scand. J. Stat. 39, 798) and fits q_{r+1} to
them, until a round is efficient enough. Weights that degenerate are tempered, w^beta, for the fit alone. Every
q_r keeps a share of q_1, so that nothing that was found once is lost, and the pilot's own weighted samples take part in
every fit with their effective number.

What is returned are fresh draws from the last proposal alone: it was fixed before they were made, which leaves their
estimates unbiased and their errors honest. The network's evidence, independent of theirs, is the check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.importance import Reweighted, reweight
from xspecnf.mixture import StudentMixture, blend, fit
from xspecnf.peaks import find_peaks
from xspecnf.target import Points, Target, joined

Float64 = NDArray[np.float64]

PILOT = 500
"""Draws of the network that start a refinement."""

GOOD_NETWORK = 0.5
"""Efficiency at which the network's own draws are the answer."""

TEMPERATURE = 3
STARTS = 4
"""Ascents; the peaks of a posterior differ in the disc's temperature, and so do these."""

ROUND = 500
MAX_ROUNDS = 6
GOOD_ROUND = 0.55
"""Efficiency that a further round would hardly improve."""

FIRST_SHARE = 0.15
"""Of the first, widest proposal in all later ones."""

TEMPERED = 60.0
"""Effective samples that a fit rests on at least."""

PILOT_COMPONENTS = 3
COMPONENTS = 8
SAMPLES_PER_COMPONENT = 50.0


@dataclass(frozen=True)
class Weighed:
    """Points drawn from one proposal, and their importance weights.

    Attributes:
        points: S of them.
        log_q: (S,) ln density of the proposal with respect to the unit cube.
        result: weights and what they say.
    """

    points: Points
    log_q: Float64
    result: Reweighted

    @property
    def log_w(self) -> Float64:
        """(S,) ln of the plain weights."""
        return self.points.log_density - self.points.log_volume - self.log_q


@dataclass(frozen=True)
class Refined:
    """Weighted samples of the exact posterior.

    Attributes:
        samples: as many as were asked for.
        pilot: the network's draws that started it.
        rounds: of adaptation that led to the samples; 0 where they are the network's.
        evaluations: of the exact physics.
    """

    samples: Weighed
    pilot: Weighed
    rounds: int
    evaluations: int

    @property
    def evidence_excess(self) -> float:
        """By how many standard deviations the pilot finds more evidence than the samples: a peak may be lost."""
        mine, network = self.samples.result, self.pilot.result
        error = np.hypot(mine.log_evidence_error, network.log_evidence_error)
        return float((network.log_evidence - mine.log_evidence) / error) if error > 0 else 0.0


def refine_draws(target: Target, u: Float64, log_q: Float64, samples: int, rng: np.random.Generator) -> Refined:
    """Weighted samples of a target, from the network's draws.

    Args:
        target: the posterior.
        u: (P, 5) draws of the network in the unit cube; `samples` or PILOT of them, whichever is more.
        log_q: (P,) their ln density.
        samples: how many to return.
        rng: draws everything else.

    Raises:
        ValueError: none of the network's draws has a finite likelihood.
    """
    pilot = _weigh(target.at_unit(u[:PILOT]), log_q[:PILOT])
    rounds, best = 0, None
    if pilot.result.efficiency < GOOD_NETWORK:
        proposal, rounds = adapt(target, pilot, rng)
        best = _drawn(target, proposal, samples, rng)
    if best is None or best.result.efficiency < pilot.result.efficiency:
        network = _completed(target, pilot, u, log_q, samples)
        if best is None or best.result.efficiency < network.result.efficiency:
            best, rounds = network, 0
    return Refined(best, pilot, rounds, target.evaluations)


def adapt(target: Target, pilot: Weighed, rng: np.random.Generator) -> tuple[StudentMixture, int]:
    """A proposal that has learnt the target, and in how many rounds."""
    first = proposal = _first(target, pilot, rng)
    parts: list[Points] = []
    proposals: list[tuple[float, StudentMixture]] = []
    efficiency = 0.0
    while len(parts) < MAX_ROUNDS and efficiency < GOOD_ROUND:
        points = target.at(proposal.draw(ROUND, rng))
        efficiency = effective(points.log_density - proposal.log_density(points.x)) / ROUND
        parts.append(points)
        proposals.append((ROUND, proposal))
        learnt = _learnt(joined(parts), blend(proposals), pilot, rng)
        proposal = blend([(1 - FIRST_SHARE, learnt), (FIRST_SHARE, first)])
    return proposal, len(parts)


def _first(target: Target, pilot: Weighed, rng: np.random.Generator) -> StudentMixture:
    """Half on the peaks, half on the pilot as far as the likelihood leaves it."""
    peaks = find_peaks(target, _starts(pilot.points))
    return blend([(0.5, peaks), (0.5, fit(pilot.points.x, tempered(pilot.log_w), PILOT_COMPONENTS, rng))])


def _learnt(points: Points, drawn_from: StudentMixture, pilot: Weighed, rng: np.random.Generator) -> StudentMixture:
    """A mixture fitted to all weighted points so far, those of the pilot included."""
    log_w = points.log_density - drawn_from.log_density(points.x)
    ess, pilot_ess = effective(log_w), effective(pilot.log_w)
    x = np.concatenate([points.x, pilot.points.x])
    weights = np.concatenate([ess * tempered(log_w), pilot_ess * tempered(pilot.log_w)])
    components = int(np.clip((ess + pilot_ess) / SAMPLES_PER_COMPONENT, 1, COMPONENTS))
    return fit(x, weights, components, rng)


def _starts(pilot: Points) -> Float64:
    """The best point of the pilot in each part of its range of disc temperatures (K <= STARTS, 5)."""
    z = pilot.x[:, TEMPERATURE]
    part = np.floor(0.999 * STARTS * (z - z.min()) / (np.ptp(z) + 1e-12))
    return np.array([pilot.x[np.argmax(np.where(part == k, pilot.log_density, -np.inf))] for k in np.unique(part)])


def _completed(target: Target, pilot: Weighed, u: Float64, log_q: Float64, samples: int) -> Weighed:
    """The network's first `samples` draws, of which the pilot's are known."""
    points = pilot.points[: min(samples, PILOT)]
    if samples > PILOT:
        points = joined([points, target.at_unit(u[PILOT:samples])])
    return _weigh(points, log_q[: len(points)])


def _drawn(target: Target, proposal: StudentMixture, samples: int, rng: np.random.Generator) -> Weighed | None:
    """Fresh draws of the proposal; None where not one of them is inside the prior."""
    points = target.at(proposal.draw(samples, rng))
    if not np.any(np.isfinite(points.log_density)):
        return None
    return _weigh(points, proposal.log_density(points.x) - points.log_volume)


def _weigh(points: Points, log_q: Float64) -> Weighed:
    return Weighed(points, log_q, reweight(points.log_density - points.log_volume, log_q))


def tempered(log_w: Float64) -> Float64:
    """Weights (S,) w^beta, sum 1, with the largest beta <= 1 that leaves TEMPERED effective samples."""
    low, high = 0.0, 1.0
    if effective(log_w) >= TEMPERED:
        low = 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle * log_w) >= TEMPERED else (low, middle)
    w = _exponentials(np.where(np.isfinite(log_w), low * log_w, -np.inf))
    return w / max(w.sum(), 1e-300)


def effective(log_w: Float64) -> float:
    """Effective sample size of ln weights (S,)."""
    w = _exponentials(log_w)
    return float(w.sum() ** 2 / max((w**2).sum(), 1e-300))


def _exponentials(log_w: Float64) -> Float64:
    """w (S,), the largest 1; all 0 where no weight is finite."""
    top = log_w.max()
    return np.exp(log_w - top) if np.isfinite(top) else np.zeros_like(log_w)
