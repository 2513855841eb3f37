"""Plots of an evaluation, from its JSON alone: `python -m xspecnf_train.evaluate.plots metrics.json FOLDER`."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xspecnf.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Figures = Mapping[str, Any]

DPI = 150
TITLES = {"network": "network alone", "refined": "refined"}
COLOURS = {"network": "#0072b2", "refined": "#d55e00"}  # told apart by the colour-blind (Okabe & Ito 2008)
LABELS = {
    "nH": r"$N_\mathrm{H}$",
    "Gamma": r"$\Gamma$",
    "f_sc": r"$f_\mathrm{sc}$",
    "kT_disk": r"$kT_\mathrm{disk}$",
    "norm": "norm",
    "tarp": "TARP",
    "likelihood": "likelihood",
}
STYLES: Mapping[str, Mapping[str, Any]] = {
    "nH": {"color": "C0"},
    "Gamma": {"color": "C1"},
    "f_sc": {"color": "C2"},
    "kT_disk": {"color": "C3"},
    "norm": {"color": "C4"},
    "tarp": {"color": "black", "ls": "--"},
    "likelihood": {"color": "black", "ls": ":"},
}
MIDDLES = {"sample": "sample", "median": "median point", "spectrum": "median spectrum", "truth": "truth"}
POINTS = {"sample": "#0072b2", "median": "#d55e00", "spectrum": "#009e73", "truth": "black"}
SPREAD = 0.18
NORMAL_95 = 1.96
CHI2_5 = (1.145, 11.07)
"""5 and 95 % of chi2 with five degrees of freedom: what samples of a normal posterior lie above the best."""

LEAST_EXCESS = 0.1
"""PGStat; a logarithmic axis begins somewhere."""


def files(folder: Path) -> list[Path]:
    """The PNG of every plot in `folder`."""
    return [folder / f"{name}.png" for name in PLOTS]


def save_plots(figures: Figures, folder: Path) -> list[Path]:
    """Write every plot that the figures have numbers for as PNG into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [file for file in files(folder) if save_plot(figures, file)]


def save_plot(figures: Figures, file: Path) -> bool:
    """Write the plot that `file` is named by, as PNG; whether the figures have numbers for it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # no pyplot: no window system, no global state

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, content = Figure(dpi=DPI, layout="constrained"), io.BytesIO()
        PLOTS[file.stem](figure, figures)
        if figure.axes:
            figure.savefig(content, format="png", metadata={"Software": "xspecnf"})
            write_atomically(file, content.getvalue())
    return bool(figure.axes)


def _coverage(figure: Figure, figures: Figures) -> None:
    """Coverage less level: of calibrated posteriors it stays in the band at 95 % of the levels."""
    plots, kinds = figures["plots"], _kinds(figures)
    levels = np.array(plots["levels"])
    figure.set_size_inches(3.4 * len(kinds) + 1.2, 3.2)
    axes = _row(figure, len(kinds))
    for ax, kind in zip(axes, kinds, strict=True):
        _chance_bands(ax, plots[kind]["spectra"])
        for name, values in plots[kind]["coverage"].items():
            ax.plot(levels, np.array(values) - levels, label=LABELS[name], lw=1.5, **STYLES[name])
        ax.set(xlabel="credible level", xlim=(0, 1), title=_title(kind, plots[kind]["spectra"]))
    axes[0].set_ylabel("coverage - level")
    _legend(figure, axes)


def _chance_bands(ax: Axes, spectra: Figures) -> None:
    """The 95 % bands of chance, level by level: the likelihood's is the wider one where fewer spectra have it."""
    levels = np.linspace(0, 1, 101)
    for name, grey in (("likelihood", "0.93"), ("tarp", "0.85")):
        half = NORMAL_95 * np.sqrt(levels * (1 - levels) / spectra.get(name, np.inf))
        ax.fill_between(levels, -half, half, color=grey, lw=0)


def _ranks(figure: Figure, figures: Figures) -> None:
    """Histograms of the truth's ranks with the band that holds 95 % of uniform bins."""
    plots, kinds = figures["plots"], _kinds(figures)
    names = list(dict.fromkeys(name for kind in kinds for name in plots[kind]["ranks"]))
    figure.set_size_inches(1.6 * len(names) + 0.4, 1.6 * len(kinds) + 0.5)
    grid = figure.subplots(len(kinds), len(names), sharex=True, sharey="row", squeeze=False)
    for row, kind in zip(grid, kinds, strict=True):
        for ax, name in zip(row, names, strict=True):
            if name in plots[kind]["ranks"]:
                _histogram(ax, np.array(plots[kind]["ranks"][name]), COLOURS[kind])
        row[0].set_ylim(0, None)
        row[0].set_ylabel(f"{TITLES[kind]}\nranks / expected")
    for ax, name in zip(grid[0], names, strict=True):
        ax.set_title(LABELS[name])
    figure.supxlabel(f"rank of the truth, spectra of {_claimed(figures)}", fontsize="medium")


def _histogram(ax: Axes, numbers: np.ndarray, colour: str) -> None:
    expected = max(numbers.sum() / len(numbers), 1e-9)
    half = NORMAL_95 * np.sqrt((1 - 1 / len(numbers)) / expected)
    ax.axhspan(1 - half, 1 + half, color="0.85", lw=0)
    ax.stairs(numbers / expected, np.linspace(0, 1, len(numbers) + 1), color=colour, lw=1.2)
    ax.set(xlim=(0, 1), xticks=(0, 0.5, 1))


def _efficiency(figure: Figure, figures: Figures) -> None:
    """Effective samples over samples by counts."""
    found = {kind: _filled(figures["plots"][kind]["efficiency"]) for kind in _kinds(figures)}
    series = {TITLES[kind]: (quantiles, COLOURS[kind]) for kind, quantiles in found.items() if quantiles}
    if not series:
        return
    figure.set_size_inches(5.6, 3.4)
    ax = figure.subplots()
    _bars(ax, series)
    ax.set(yscale="log", ylabel="effective sample size / samples", ylim=(None, 1.05))
    _legend(figure, [ax])


def _pgstat(figure: Figure, figures: Figures) -> None:
    """PGStat above the best fit's by counts, of simulated and of real spectra."""
    plots = figures["plots"]
    kinds = [kind for kind in _kinds(figures) if _filled(plots[kind]["excess"].get("sample", {}))]
    if not kinds:
        return
    figure.set_size_inches(4.2 * len(kinds) + 1.2, 3.6)
    axes = _row(figure, len(kinds))
    for ax, kind in zip(axes, kinds, strict=True):
        ax.axhspan(CHI2_5[0], CHI2_5[1], color="0.85", lw=0, label=r"$\chi^2_5$, 90 %")
        _bars(ax, {MIDDLES[point]: (_with_real(plots, kind, point), colour) for point, colour in POINTS.items()})
        ax.set(yscale="log", title=TITLES[kind], ylim=(LEAST_EXCESS, None))
    axes[0].set_ylabel("PGStat - PGStat of the best fit")
    _legend(figure, axes)


def _with_real(plots: Figures, kind: str, point: str) -> Figures:
    """Quantiles of the excess by range of counts, those of all real spectra the last."""
    simulated = {name: q for name, q in plots[kind]["excess"].get(point, {}).items() if name != "all"}
    real = plots.get("real", {}).get(kind, {}).get("excess", {}).get(point, {})
    return simulated | ({"real": real["all"]} if real.get("all") else {})


def _bars(ax: Axes, series: Mapping[str, tuple[Figures, str]]) -> None:
    """Medians by range with the central 50 and 90 %: by label, quantiles by the range's name and a colour."""
    names = sorted({name for found, _ in series.values() for name in _filled(found)}, key=_least_counts)
    for k, (label, (found, colour)) in enumerate(series.items()):
        known = _filled(found)
        x = np.array([names.index(name) for name in known]) + SPREAD * (k - (len(series) - 1) / 2)
        q05, q25, q50, q75, q95 = np.array(list(known.values())).reshape(-1, 5).T
        ax.vlines(x, q05, q95, color=colour, lw=1)
        ax.vlines(x, q25, q75, color=colour, lw=3.5)
        ax.plot(x, q50, "o", color=colour, mfc="white", ms=4.5, label=label)
    ax.set_xticks(range(len(names)), [name.replace(" - ", "-\n") for name in names])
    ax.set_xlabel("counts")


def _least_counts(name: str) -> float:
    """Where a range of counts begins; real spectra, of any counts, stand behind all ranges."""
    return float("inf") if name == "real" else float(name.split(" - ")[0])


def _filled(quantiles: Figures) -> dict[str, Sequence[float]]:
    return {name: values for name, values in quantiles.items() if values}


def _kinds(figures: Figures) -> list[str]:
    return [kind for kind in TITLES if figures["plots"].get(kind, {}).get("coverage")]


def _row(figure: Figure, panels: int) -> Sequence[Axes]:
    return figure.subplots(1, panels, sharey=True, squeeze=False)[0]


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend, right of all panels."""
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)


def _title(kind: str, spectra: Figures) -> str:
    """With how many spectra it rests on; the likelihood, which needs the exact physics, may rest on fewer."""
    most, least = max(spectra.values()), min(spectra.values())
    return f"{TITLES[kind]}, {most} spectra" + (f" (likelihood: {least})" if least < most else "")


def _claimed(figures: Figures) -> str:
    low, high = figures["claimed_counts"]
    return f"{low:g} to {high:g} counts"


PLOTS: Mapping[str, Callable[[Figure, Figures], None]] = {
    "coverage": _coverage,
    "ranks": _ranks,
    "efficiency": _efficiency,
    "pgstat": _pgstat,
}
"""What draws each plot."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Plots of an evaluation, from its JSON alone.")
    parser.add_argument("figures", type=Path, help="what `xspecnf evaluate --output` wrote")
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    arguments = parser.parse_args()
    for path in save_plots(json.loads(arguments.figures.read_text(encoding="utf-8")), arguments.folder):
        print(path)


if __name__ == "__main__":
    main()
