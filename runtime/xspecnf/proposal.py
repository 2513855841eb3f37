r"""A proposal that learns the exact posterior: adaptive multiple importance sampling, with the prior as a component.

A first mixture q_1 of Student-t laws lies on the peaks that ascents from the network's draws reach and on these draws
themselves. Each round r draws n_r points from q_r, weighs all the points of all rounds by the deterministic mixture

    w_i = p(x_i) / sum_r (n_r/N) q_r(x_i)

(Owen & Zhou 2000, J. Am. Stat. Assoc. 95, 135; AMIS: Cornuet et al. 2012, Scand. J. Stat. 39, 798) and fits q_{r+1} to
them, until a round is efficient enough. Weights that degenerate are tempered, w^beta, for the fit alone. Every
q_r keeps a share of q_1, so that nothing that was found once is lost, and the network's weighted draws take part in
every fit with their effective number.

Where the signal may be none, the posterior fills much of the prior, down to norms that the network never saw. There the
prior itself is a component, whose share is learnt as the others' are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.importance import Reweighted, effective, reweight, tempered
from xspecnf.mixture import StudentMixture, blend, fit
from xspecnf.observation import Observation
from xspecnf.peaks import find_peaks
from xspecnf.target import Points, Target, joined

Float64 = NDArray[np.float64]

PARTED = (0, 3)
"""Coordinates in which the peaks of a posterior differ: absorption and the disc's temperature."""

PARTS = 4
"""Of the pilot's range of each."""

ROUND = 500
MAX_ROUNDS = 6
GOOD_ROUND = 0.55
"""Efficiency that a further round would hardly improve."""

EARLY_ROUNDS = 3
FAIR_ROUND = 0.25
FAIR_PILOT = 0.1
"""Efficiency after EARLY_ROUNDS at which more draws are worth more than a better proposal, where the network is so good
that its draws in every fit vouch for the tails."""

FIRST_SHARE = 0.15
"""Of the first, widest proposal in all later ones."""

PILOT_COMPONENTS = 3
COMPONENTS = 8
SAMPLES_PER_COMPONENT = 50.0

WEAK_SIGMA = 8.0
"""A fainter signal, in standard deviations of the net counts, may be none."""

PRIOR_SHARE = 0.4
"""Of the first proposal of a weak signal."""


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

    def likeliest(self, number: int) -> NDArray[np.intp]:
        """Indices of the points of highest likelihood, at most `number`."""
        return np.argsort(self.points.log_volume - self.points.log_density)[:number]


def weigh(points: Points, log_q: Float64) -> Weighed:
    """Weigh points drawn with ln density log_q (S,) with respect to the unit cube; ValueError if all weigh nothing."""
    return Weighed(points, log_q, reweight(points.log_density - points.log_volume, log_q))


@dataclass(frozen=True)
class Proposal:
    """A mixture of Student-t laws and, with the share `prior` in [0, 1), the prior."""

    mixture: StudentMixture
    prior: float = 0.0

    def draw(self, target: Target, size: int, rng: np.random.Generator) -> Points:
        """`size` points of the target, the two parts' numbers as near to their shares as they come."""
        uniform = int(self.prior * size + rng.random())
        points = target.at(self.mixture.draw(size - uniform, rng), np.float32)
        return joined([points, target.at_unit(rng.random((uniform, 5)), np.float32)]) if uniform else points

    def log_density(self, points: Points) -> Float64:
        """ln q (S,) with respect to x at points inside the prior."""
        log_q = self.mixture.log_density(points.x)
        if self.prior == 0:
            return log_q
        return np.logaddexp(np.log1p(-self.prior) + log_q, np.log(self.prior) + points.log_volume)


def mixed(parts: Sequence[tuple[float, Proposal]]) -> Proposal:
    """One proposal out of several with their shares, which are normalised here."""
    total = sum(share for share, _ in parts)
    prior = sum(share * proposal.prior for share, proposal in parts) / total
    return Proposal(blend([(share * (1 - part.prior), part.mixture) for share, part in parts]), prior)


def is_weak(obs: Observation) -> bool:
    """Whether the net counts leave it open that there is no source."""
    good = obs.good
    counts, background = float(obs.counts @ good), float(obs.background @ good)
    noise = np.sqrt(max(counts, 1.0) + (obs.background_error**2) @ good)
    return bool(counts - background < WEAK_SIGMA * noise)


class Adaptation:
    """A proposal that learns a target from its own draws.

    Attributes:
        proposal: what has been learnt so far.
        rounds: of draws that it was learnt from.
    """

    def __init__(self, target: Target, pilot: Weighed, rng: np.random.Generator) -> None:
        self._pilot, self._rng = pilot, rng
        self._first = self.proposal = _first(target, pilot, rng)
        self._points: list[Points] = []
        self._proposals: list[tuple[float, Proposal]] = []

    @property
    def rounds(self) -> int:
        return len(self._points)

    def learn(self, points: Points) -> None:
        """Improve the proposal by points that were drawn from it."""
        self._points.append(points)
        self._proposals.append((len(points), self.proposal))
        learnt = _learnt(joined(self._points), mixed(self._proposals), self._pilot, self._rng)
        self.proposal = mixed([(1 - FIRST_SHARE, learnt), (FIRST_SHARE, self._first)])


def adapt(target: Target, pilot: Weighed, rng: np.random.Generator) -> Adaptation:
    """Rounds of draws until one is efficient enough."""
    adaptation = Adaptation(target, pilot, rng)
    late = FAIR_ROUND if pilot.result.efficiency >= FAIR_PILOT else GOOD_ROUND
    efficiency = 0.0
    while adaptation.rounds < MAX_ROUNDS and efficiency < (GOOD_ROUND if adaptation.rounds < EARLY_ROUNDS else late):
        points = adaptation.proposal.draw(target, ROUND, rng)
        efficiency = effective(points.log_density - adaptation.proposal.log_density(points)) / ROUND
        adaptation.learn(points)
    return adaptation


def _first(target: Target, pilot: Weighed, rng: np.random.Generator) -> Proposal:
    """Half on the peaks, half on the pilot as far as the likelihood leaves it."""
    peaks = find_peaks(target, starts(pilot.points))
    around = fit(pilot.points.x, tempered(pilot.log_w), PILOT_COMPONENTS, rng)
    return Proposal(blend([(0.5, peaks), (0.5, around)]), PRIOR_SHARE if is_weak(target.obs) else 0.0)


def _learnt(points: Points, drawn_from: Proposal, pilot: Weighed, rng: np.random.Generator) -> Proposal:
    """A proposal fitted to all weighted points so far; the prior's share is what it is responsible for."""
    log_q = drawn_from.log_density(points)
    log_w = points.log_density - log_q
    ess, pilot_ess = effective(log_w), effective(pilot.log_w)
    weights = tempered(log_w)
    blame = drawn_from.prior * np.exp(points.log_volume - log_q)
    x = np.concatenate([points.x, pilot.points.x])
    shared = np.concatenate([ess * weights * (1 - blame), pilot_ess * tempered(pilot.log_w)])
    components = int(np.clip((ess + pilot_ess) / SAMPLES_PER_COMPONENT, 1, COMPONENTS))
    return Proposal(fit(x, shared, components, rng), float(min(weights @ blame, 0.95)))


def starts(pilot: Points) -> Float64:
    """Where ascents start: the best point of the pilot in each part of either range (K <= 8, 5)."""
    best = {int(k) for coordinate in PARTED for k in _best_of_parts(pilot.x[:, coordinate], pilot.log_density)}
    return pilot.x[sorted(best)]


def _best_of_parts(z: Float64, log_density: Float64) -> list[int]:
    """Indices of the densest points of the parts of equal length that z (S,) is divided into."""
    part = np.floor(0.999 * PARTS * (z - z.min()) / (np.ptp(z) + 1e-12))
    return [int(np.argmax(np.where(part == k, log_density, -np.inf))) for k in np.unique(part)]
