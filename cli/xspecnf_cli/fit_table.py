"""A best fit as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xspecnf_cli.sheet import Line, Sheet
from xspecnf_cli.table import read_with

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xspecnf.bestfit import BestFit
    from xspecnf.profiles import Profile


def fit_table(best: BestFit, profiles: Sequence[Profile] = (), outputs: Sequence[str] = ()) -> Sheet:
    """The five parameters with their errors, the statistic, what else is to be known."""
    profiled = [f"delta {profile.delta:g} (profile)" for profile in profiles]
    statistic = (
        f"PGStat/dof {best.pgstat:.1f}/{best.dof} = {best.pgstat / max(best.dof, 1):.2f}, "
        f"-2 ln L {best.statistic:.2f} ({best.counts} counts in {best.bins} bins)"
    )
    minima = [
        f"another minimum, {other.statistic - best.statistic:.2f} above: "
        + ", ".join(f"{p.name} {value:.4g}" for p, value in zip(best.parameters, other.theta, strict=True))
        for other in best.others
    ]
    if any(other.statistic - best.statistic < profile.delta for other in best.others for profile in profiles):
        minima.append("where another minimum lies within delta, what is allowed may be in two pieces: see both minima")
    timing = Line(f"{best.evaluations} evaluations in {best.seconds:.3f} s", "aside")
    texts = [*(f"note: {note}" for note in best.notes), *(f"wrote {name}" for name in outputs)]
    return Sheet(
        best.file,
        ("parameter", "best fit", "68 % (curvature)", *profiled, "unit"),
        tuple(_row(best, profiles, k) for k in range(len(best.parameters))),
        (*map(Line, [statistic, *minima]), *read_with(best.files), *map(Line, texts), timing),
    )


def _row(best: BestFit, profiles: Sequence[Profile], k: int) -> tuple[str, ...]:
    parameter = best.parameters[k]
    curved = "on its bound" if parameter.name in best.on_bound else _interval(best.interval()[k])
    profiled = [_interval(profile.interval[k], profile.bounded[k]) for profile in profiles]
    return parameter.name, f"{best.theta[k]:.4g}", curved, *profiled, parameter.unit


def _interval(ends: NDArray[np.float64], bounded: NDArray[np.bool_] | None = None) -> str:
    """ "low .. high"; an end in brackets is the prior's bound."""
    marks = (False, False) if bounded is None else bounded
    low, high = (f"[{end:.4g}]" if mark else f"{end:.4g}" for end, mark in zip(ends, marks, strict=True))
    return f"{low} .. {high}"
