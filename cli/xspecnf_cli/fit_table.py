"""A best fit as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xspecnf.bestfit import BestFit
    from xspecnf.profiles import Profile


def fit_table(best: BestFit, profiles: Sequence[Profile] = (), outputs: Sequence[str] = ()) -> str:
    """The five parameters with their errors, the statistic, what else is to be known."""
    heads = ["68 % (curvature)"] + [f"delta {profile.delta:g} (profile)" for profile in profiles]
    lines = [best.file, f"  {'parameter':<10}{'best fit':>12}" + "".join(f"  {head:<25}" for head in heads) + "  unit"]
    lines += [_row(best, profiles, k) for k in range(len(best.parameters))]
    lines.append(
        f"  PGStat/dof {best.pgstat:.1f}/{best.dof} = {best.pgstat / max(best.dof, 1):.2f}, "
        f"-2 ln L {best.statistic:.2f} ({best.counts} counts in {best.bins} bins)"
    )
    lines += [
        f"  another minimum, {other.statistic - best.statistic:.2f} above: "
        + ", ".join(f"{p.name} {value:.4g}" for p, value in zip(best.parameters, other.theta, strict=True))
        for other in best.others
    ]
    lines += [f"  note: {note}" for note in best.notes]
    lines += [f"  wrote {output}" for output in outputs]
    lines.append(f"  {best.evaluations} evaluations in {best.seconds:.3f} s")
    return "\n".join(lines)


def _row(best: BestFit, profiles: Sequence[Profile], k: int) -> str:
    parameter = best.parameters[k]
    curved = "on its bound" if parameter.name in best.on_bound else _interval(best.interval()[k])
    profiled = [_interval(profile.interval[k], profile.bounded[k]) for profile in profiles]
    cells = "".join(f"  {cell:<25}" for cell in (curved, *profiled))
    return f"  {parameter.name:<10}{best.theta[k]:>12.4g}{cells}  {parameter.unit}".rstrip()


def _interval(ends: NDArray[np.float64], bounded: NDArray[np.bool_] | None = None) -> str:
    """ "low .. high"; an end in brackets is the prior's bound."""
    marks = (False, False) if bounded is None else bounded
    low, high = (f"[{end:.4g}]" if mark else f"{end:.4g}" for end, mark in zip(ends, marks, strict=True))
    return f"{low} .. {high}"
