"""Parameters of a batch against time, from its catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xspecnf.extras import require
from xspecnf.formats.columns import Row
from xspecnf.parameters import Parameter
from xspecnf.plots.colours import VERDICT_COLOURS
from xspecnf.plots.style import SYMBOLS, UNITS, Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = {"good": "o", "caution": "s", "reject": "x"}
DECADE = 10.0
INCHES = (8.0, 9.5)


def history(rows: Sequence[Row], parameters: Sequence[Parameter]) -> Figure:
    """Medians with 68 % intervals and the reduced statistic of every file, against its MJD; against its place in the
    batch where any file does not tell its time.

    Raises:
        ValueError: no row has a result.
        MissingExtraError: matplotlib is not installed.
    """
    results = [row for row in rows if not row["error"]]
    if not results:
        raise ValueError("no file has a result: nothing to draw")
    figure = require("matplotlib.figure", "plot", "a history").Figure(figsize=INCHES, layout="constrained")
    panels = figure.subplots(len(parameters) + 1, 1, sharex=True)
    mjd = _column(results, "mjd")
    timed = bool(np.all(np.isfinite(mjd)))
    times = mjd if timed else np.arange(1.0, len(results) + 1)
    verdicts = np.array([row["verdict"] for row in results])
    for axes, parameter in zip(panels, parameters, strict=False):
        _draw_parameter(axes, times, results, verdicts, parameter)
    _draw_statistic(panels[-1], times, results, verdicts)
    panels[-1].set_xlabel("MJD" if timed else "file")
    panels[-1].ticklabel_format(axis="x", useOffset=False)
    panels[0].legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1.0), frameon=False)
    return figure


def _draw_parameter(
    axes: Axes, times: Float64, results: Sequence[Row], verdicts: np.ndarray, parameter: Parameter
) -> None:
    low, middle, high = (_column(results, f"{parameter.name}{end}") for end in ("_q16", "", "_q84"))
    _points(axes, times, middle, np.maximum([middle - low, high - middle], 0), verdicts)
    if parameter.scale == "log10" and high.max() > DECADE * low.min():
        axes.set_yscale("log")
    unit = UNITS.get(parameter.unit, parameter.unit)
    axes.set_ylabel(SYMBOLS.get(parameter.name, parameter.name) + (f"\n[{unit}]" if unit else ""))


def _draw_statistic(axes: Axes, times: Float64, results: Sequence[Row], verdicts: np.ndarray) -> None:
    reduced = _column(results, "pgstat_best") / np.maximum(_column(results, "dof"), 1)
    _points(axes, times, reduced, None, verdicts)
    axes.axhline(1, color="black", lw=0.7, ls=":")
    if reduced.max() > DECADE * reduced.min():
        axes.set_yscale("log")
    axes.set_ylabel("PGSTAT/dof\nat best")


def _points(axes: Axes, times: Float64, values: Float64, errors: Float64 | None, verdicts: np.ndarray) -> None:
    for verdict, marker in MARKERS.items():
        chosen = verdicts == verdict
        if chosen.any():
            bars = None if errors is None else errors[:, chosen]
            look = {"fmt": marker, "ms": 3.5, "mew": 0.8, "lw": 0.8, "color": VERDICT_COLOURS[verdict]}
            axes.errorbar(times[chosen], values[chosen], bars, label=verdict, **look)
    axes.tick_params(which="both", direction="in", top=True, right=True)


def _column(results: Sequence[Row], name: str) -> Float64:
    return np.array([row.get(name, np.nan) for row in results], dtype=float)
