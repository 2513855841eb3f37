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


def write(best: BestFit, energy_range: tuple[float, float], path: Path) -> None:
    """Write the script to `path`; XSPEC runs it as `@path`. energy_range: what was fitted, keV.

    Raises ValueError for the fit of an observation that was not read from files.
    """
    write_atomically(path, script(best, energy_range))


def script(best: BestFit, energy_range: tuple[float, float]) -> str:
    """The script's text. Raises ValueError likewise."""
    if best.files is None:
        raise ValueError(f"{best.file}: not read from files, of which a script for XSPEC would have the names")
    head = HEADER.format(model=MODEL, statistic=best.statistic, pgstat=best.pgstat, dof=best.dof, bins=best.bins)
    low, high = energy_range
    lines = _data(best.files)
    lines += ["ignore bad", f"ignore 1:**-{low:.3f} {high:.3f}-**", f"model {MODEL}"]
    values = FROZEN | {
        p.number: f"{value:.6g} {abs(value) * 0.01:.2g} {p.low:g} {p.low:g} {p.high:g} {p.high:g}"
        for p, value in zip(best.parameters, best.theta, strict=True)
    }
    lines += [f"  {values[number]}" for number in sorted(values)]
    return head + "\n".join(lines) + "\n"


def _data(files: Companions) -> list[str]:
    """The lines that load what the fit used. "none" keeps XSPEC from following a header where the fit did not."""
    lines = [f"data 1:1 {files.spectrum.resolve()}"]
    if files.rmf is None:
        lines.append(f"# the fit used {files.why['rmf']}: give XSPEC a response of your own, `response 1:1 FILE`")
    else:
        lines += [f"response 1:1 {files.rmf.resolve()}", f"arf 1:1 {_or_none(files.arf)}"]
    lines.append(f"backgrnd 1:1 {_or_none(files.background)}")
    if files.correction is not None:
        lines += [f"corfile 1:1 {files.correction.resolve()}", f"cornorm 1:1 {files.corrscal:g}"]
    return lines


def _or_none(file: Path | None) -> str:
    return "none" if file is None else str(file.resolve())
