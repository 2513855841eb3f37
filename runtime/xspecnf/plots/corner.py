"""The corner plot: every pair of parameters with 68 and 95 % contours, raw and refined."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from xspecnf.extras import require
from xspecnf.plots.colours import GREY, ORANGE
from xspecnf.plots.style import Float64, Scale, scale, with_errors
from xspecnf.posterior import Posterior, quantiles
from xspecnf.rows import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (0.68, 0.95)
SHOWN = 0.997
"""Share of each posterior that lies inside the panels."""

BINS, SMOOTHING = 40, 1.5
INCHES = 8.0


def corner(posterior: Posterior, raw: Posterior | None = None) -> Figure:
    """The posterior's contours; beneath them, where it is given, those of the network's own, `raw`.

    Raises:
        ValueError: not more samples than parameters.
        MissingExtraError: matplotlib or corner is not installed.
    """
    check_samples(len(posterior.theta), len(posterior.parameters))
    library = require("corner", "plot", "a corner plot")
    figure = require("matplotlib.figure", "plot", "a corner plot").Figure(figsize=(INCHES, INCHES))
    scales = [scale(p, x) for p, x in zip(posterior.parameters, _samples(posterior).T, strict=True)]
    layers = [(posterior, ORANGE, 3)] if raw is None else [(raw, GREY, 1), (posterior, ORANGE, 3)]
    limits = _limits([layer for layer, _, _ in layers], scales)
    for layer, colour, depth in layers:
        library.corner(
            _scaled(layer.theta, scales),
            weights=layer.weights,
            labels=[s.label for s in scales],
            range=limits,
            fig=figure,
            color=colour,
            **_look(depth),
        )
    _finish(figure, posterior, raw, scales)
    return figure


def check_samples(samples: int, parameters: int) -> None:
    """Raise ValueError where `samples` are not more than parameters: ask before the work is done."""
    if samples <= parameters:
        raise ValueError(f"{samples} samples are too few for a corner plot; ask for some hundreds")


def _look(depth: int) -> dict[str, Any]:
    return {
        "bins": BINS,
        "smooth": SMOOTHING,
        "smooth1d": SMOOTHING,
        "levels": LEVELS,
        "plot_datapoints": False,
        "plot_density": False,
        "fill_contours": True,
        "no_fill_contours": True,  # else a white ground covers the layer beneath
        "max_n_ticks": 4,
        "labelpad": 0.06,
        "label_kwargs": {"fontsize": 11},
        "hist_kwargs": {"lw": 1.5, "zorder": depth},
        "contour_kwargs": {"linewidths": 1.2, "zorder": depth},
        "contourf_kwargs": {"zorder": depth - 1},
    }


def _samples(posterior: Posterior) -> Float64:
    return posterior.equally_weighted().theta


def _scaled(theta: Float64, scales: list[Scale]) -> Float64:
    return np.column_stack([s(x) for s, x in zip(scales, theta.T, strict=True)])


def _limits(layers: list[Posterior], scales: list[Scale]) -> list[tuple[float, float]]:
    """For each parameter, an interval that holds the middle of every layer, and a margin."""
    tails = np.array([(1 - SHOWN) / 2, (1 + SHOWN) / 2])
    limits = []
    for k, s in enumerate(scales):
        ends = [quantiles(s(layer.theta[:, k]), layer.weights, tails) for layer in layers]
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        margin = 0.12 * (high - low) or 0.01 * abs(low) or 0.01  # a posterior may be a single point
        limits.append((float(low - margin), float(high + margin)))
    return limits


def _finish(figure: Figure, posterior: Posterior, raw: Posterior | None, scales: list[Scale]) -> None:
    """Medians above the diagonal, the heights of its histograms, and who is who."""
    size = len(scales)
    axes = np.array(figure.axes).reshape(size, size)
    for k, s in enumerate(scales):
        low, middle, high = quantiles(s(posterior.theta[:, k]), posterior.weights, np.array([0.16, 0.5, 0.84]))
        axes[k, k].set_title(with_errors(low, middle, high), fontsize=10, color=ORANGE)
        tops = [line.get_ydata().max() for line in axes[k, k].lines if len(line.get_ydata()) > 2]
        tops += [patch.get_xy()[:, 1].max() for patch in axes[k, k].patches]
        axes[k, k].set_ylim(0, 1.15 * max(tops, default=1.0))
    for i, j in product(range(size), repeat=2):
        axes[i, j].tick_params(labelsize=8)
    refined = posterior.diagnostics.ess is not None
    names = [(ORANGE, "refined" if refined else "network")] + ([(GREY, "network alone")] if raw is not None else [])
    for row, (colour, name) in enumerate(names):
        figure.text(0.97, 0.90 - 0.032 * row, f"{name}: 68 and 95 %", ha="right", color=colour, fontsize=11)
    figure.text(0.97, 0.955, _title(posterior), ha="right", va="center", fontsize=11)
    figure.subplots_adjust(left=0.125, bottom=0.125, right=0.975, top=0.945, wspace=0.06, hspace=0.06)


def _title(posterior: Posterior) -> str:
    name = printable(posterior.file.rsplit("/", 1)[-1])
    return f"{name}, {len(posterior.theta)} samples, {posterior.diagnostics.verdict}"
