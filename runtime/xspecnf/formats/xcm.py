"""An XSPEC script that loads a spectrum as it was read here, with the model at its best fit.

XSPEC's own grouping stays that of the file, so its statistic is over other bins; and it has no counterpart to the
systematic error of this likelihood: `systematic` adds to the variance of chi-squared alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.atomic import write_atomically
from xspecnf.companions import Companions

if TYPE_CHECKING:
    from xspecnf.bestfit import BestFit

MODEL = "TBabs(simplcutx(ezdiskbb))"
FROZEN = {4: "0 -0.01 -1 -1 100 100", 5: "100 -1 1 1 1000 1000"}
"""simplcutx's ReflFrac and kT_e by parameter number: value, step (negative: frozen), limits."""

HEADER = """\
# {model} at the best fit of xspecnf: -2 ln L = {statistic:.2f}, PGStat/dof = {pgstat:.1f}/{dof} over {bins} bins.
# simplcutx is a local model: J. F. Steiner distributes it.
statistic pgstat
method leven 100 0.01
abund wilm
energies 0.002 200. 2000 log
"""


def write(best: BestFit, files: Companions, energy_range: tuple[float, float], path: Path) -> None:
    """Write the script to `path`; XSPEC runs it as `@path`. energy_range: what was fitted, keV."""
    write_atomically(path, script(best, files, energy_range))


def script(best: BestFit, files: Companions, energy_range: tuple[float, float]) -> str:
    """The script's text."""
    head = HEADER.format(model=MODEL, statistic=best.statistic, pgstat=best.pgstat, dof=best.dof, bins=best.bins)
    data = (("data", files.spectrum), ("response", files.rmf), ("arf", files.arf), ("backgrnd", files.background))
    lines = [f"{command} 1:1 {file.resolve()}" for command, file in data if file is not None]
    low, high = energy_range
    lines += ["ignore bad", f"ignore 1:**-{low:.3f} {high:.3f}-**", f"model {MODEL}"]
    values = FROZEN | {
        p.number: f"{value:.6g} {abs(value) * 0.01:.2g} {p.low:g} {p.low:g} {p.high:g} {p.high:g}"
        for p, value in zip(best.parameters, best.theta, strict=True)
    }
    lines += [f"  {values[number]}" for number in sorted(values)]
    return head + "\n".join(lines) + "\n"
