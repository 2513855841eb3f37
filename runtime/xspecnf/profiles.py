r"""Confidence intervals from the profile of the statistic (Lampton, Margon & Bowyer 1976, ApJ 208, 177).

An end of a parameter's interval is where the statistic, minimised over the other four, has risen by delta. On a
parabola the rise grows as the square of the distance d, so a try that rose by r is followed by one at d sqrt(delta/r),
held between the longest distance known to be too short and the shortest beyond it known to be too long, and put halfway
between these where the statistic is no parabola.

What is reported is the piece around the best fit, to where the rise is first reached. Another minimum less than delta
above, beyond a higher barrier, has a piece of its own; it is among the fit's others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from xspecnf.bestfit import FINE, BestFit, Likelihood, fit
from xspecnf.errors import InputError
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit, to_unit
from xspecnf.peaks import climb
from xspecnf.physics import expected_counts
from xspecnf.probit import from_normal, to_normal
from xspecnf.target import Points, Precision

Float64 = NDArray[np.float64]

CLOSE = 0.01
"""Relative error of the rise that ends a search: half a per cent of the interval."""

TRIES = 30
STRIDE = 3.0
"""Largest ratio of two successive distances."""

FIRST_DISTANCE = 0.02
"""Where the curvature says nothing, in the unit cube."""

BETTER = 0.05
"""A profile point this much below the best fit is a better fit, from which all starts again."""

LOOKS = 6
"""Parts into which the way to an end is divided, to see whether the rise was reached before."""

REFITS = 5


@dataclass(frozen=True)
class Profile:
    """Intervals by the profile of the statistic.

    Attributes:
        delta: rise of the statistic at the ends: 1 for 68 %, 2.706 for 90 % of one parameter.
        interval: (5, 2) physical values of the ends of the piece around the best fit.
        bounded: (5, 2) whether the prior's bound came before the rise did.
    """

    delta: float
    interval: Float64
    bounded: NDArray[np.bool_]


class BetterFit(Exception):
    """A profile came upon a lower statistic, at `u` (5,)."""

    def __init__(self, u: Float64) -> None:
        super().__init__("a lower statistic than the best fit's")
        self.u = u


class Held(Likelihood):
    """The likelihood with one parameter held at `value` in the unit cube; its coordinate is ignored."""

    def __init__(self, best: BestFit, obs: Observation, index: int, value: float) -> None:
        super().__init__(obs, best.parameters, partial(expected_counts, obs=obs))
        self.index, self.value = index, value

    def at(self, x: Float64, precision: Precision = np.float64) -> Points:
        """ln L at coordinates x (S, 5) but for the held one."""
        if self.index < 4:
            return super().at(np.where(np.arange(5) == self.index, to_normal(np.array(self.value)), x), precision)
        return self.at_unit(np.column_stack([from_normal(x[:, :4]), np.full(len(x), self.value)]), precision)


def profile(obs: Observation, best: BestFit, deltas: Sequence[float] = (1.0,)) -> tuple[BestFit, list[Profile]]:
    """Profile intervals of all parameters of a fit.

    Args:
        obs: the observation that was fitted.
        best: its fit.
        deltas: rises of the statistic at the ends, positive.

    Returns:
        The fit, a better one than was given where a profile came upon it, and its intervals for each delta.

    Raises:
        ValueError: a delta is not positive.
        InputError: every search finds a still better fit.
    """
    if not all(delta > 0 for delta in deltas):
        raise ValueError(f"delta must be positive, got {list(deltas)}")
    for _ in range(REFITS):
        try:
            return best, [_profile(obs, best, delta) for delta in deltas]
        except BetterFit as found:
            best = replace(fit(obs, np.array([found.u, *_minima(best)]), best.parameters), file=best.file)
    raise InputError(f"{obs.name}: the profiles keep finding better fits; the statistic has no clear minimum")


def _minima(best: BestFit) -> list[Float64]:
    """All known ones in the unit cube (5,), the best first."""
    return [best.u, *(to_unit(np.array(other.theta), best.parameters) for other in best.others)]


def _profile(obs: Observation, best: BestFit, delta: float) -> Profile:
    ends = [[_Search(obs, best, k, side, delta).run() for side in (-1, 1)] for k in range(5)]
    u, bounded = np.array(ends).transpose(2, 0, 1)
    return Profile(delta, from_unit(u.T, best.parameters).T, bounded.astype(bool))


class _Search:
    """The search for one end of one parameter's interval."""

    def __init__(self, obs: Observation, best: BestFit, index: int, side: int, delta: float) -> None:
        self.obs, self.best, self.index, self.side, self.delta = obs, best, index, side, delta
        self.u = best.u
        self.room = self.u[index] if side < 0 else 1 - self.u[index]
        self.known: list[tuple[float, float, Float64]] = []  # distance, rise, coordinates there

    def run(self) -> tuple[float, bool]:
        """The end in the unit cube, and whether it is the prior's bound."""
        sigma = self.best.sigma[self.index]
        end = self.crossing(min(np.sqrt(self.delta) * sigma if np.isfinite(sigma) else FIRST_DISTANCE, self.room))
        for nearer in end * np.arange(1, LOOKS) / LOOKS:
            if self.rise(nearer) >= self.delta:
                end = self.crossing(self.next_distance(nearer, np.inf))
                break
        return self.u[self.index] + self.side * end, end >= self.room and self.shortest_beyond == np.inf

    def crossing(self, distance: float) -> float:
        """The distance at which the rise is delta for the first time, or the prior's bound, begun at a first guess."""
        for _ in range(TRIES):
            rise = self.rise(distance)
            beyond = self.shortest_beyond
            if distance >= self.room and beyond == np.inf:
                break
            if distance <= beyond and abs(rise - self.delta) < CLOSE * self.delta:
                break
            distance = self.next_distance(distance, rise)
        return distance

    @property
    def shortest_beyond(self) -> float:
        """The shortest distance known to be too long; infinite where none is."""
        return min((d for d, rise, _ in self.known if rise >= self.delta), default=np.inf)

    def rise(self, distance: float) -> float:
        """Of the statistic, minimised at a distance from the best fit, from all known minima and the nearest tries."""
        held = Held(self.best, self.obs, self.index, self.u[self.index] + self.side * distance)
        nearest = sorted(self.known, key=lambda known: abs(known[0] - distance))[:2]
        starts = [*held.at_unit(np.array(_minima(self.best))).x, *(x for _, _, x in nearest)]
        place = climb(held, np.array(starts), FINE)
        k = int(np.argmax(place.points.log_density))
        rise = float(-2 * place.points.log_density[k] - self.best.statistic)
        if rise < -BETTER:
            raise BetterFit(place.points.u[k])
        self.known.append((distance, rise, place.points.x[k]))
        return rise

    def next_distance(self, distance: float, rise: float) -> float:
        """By the parabola through the best fit and this try; halfway between the tries that enclose the end where the
        parabola does not lead well inside.
        """
        guess = distance * np.clip(np.sqrt(self.delta / max(rise, 1e-12)), 1 / STRIDE, STRIDE)
        long = self.shortest_beyond
        if long == np.inf:
            return float(min(guess, self.room))
        short = max((d for d, r, _ in self.known if r < self.delta and d < long), default=0.0)
        margin = 0.1 * (long - short)
        return float(guess if short + margin < guess < long - margin else (short + long) / 2)
