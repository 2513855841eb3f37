r"""What the model gets wrong: `python benchmarks/residuals.py SPECTRA --rmf FILE --arfs FOLDER [--plots FOLDER]`.

Fits every spectrum below SPECTRA (maximum likelihood, exact physics) and looks at the bright ones' data over model,

    delta = (S - B)/m - 1,    v = (m + B + sigma_B^2)/m^2

in each bin, with counts S, background B +- sigma_B, the model's counts m, and the variance v that noise alone gives
delta. Bins in which the background or the noise is more than a tenth of the model do not count. With e the systematic
error that was fitted with and weights w = 1/(v + e^2),

    mean = sum w delta / sum w,    rms^2 = sum w (delta^2 - v) / sum w,    scatter^2 = rms^2 - mean^2

are systematic: how far the model is off, and how far once the mean of all is known. An error e that covers is the rms.
Prints Markdown; writes the plots of --plots as PNG, with the spectra of --beside one by one (their responses are looked
for beside them); with --refit fits the bright ones again, with the rms of each range of energies as the error.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xspecnf import load_model, read_observation
from xspecnf.bestfit import BestFit
from xspecnf.grid import NICER
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts
from xspecnf_train.real import RealFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float64 = NDArray[np.float64]

ENERGY = 0.5 * (NICER.energy_lo + NICER.energy_hi)
MOST_BACKGROUND, MOST_NOISE = 0.1, 0.1
HARDNESS_BANDS = ((2.0, 4.0), (4.0, 10.0))  # keV
STATES = {"soft": (-np.inf, 0.2), "intermediate": (0.2, 0.325), "hard": (0.325, np.inf)}
"""By net counts of the harder band over those of the softer: a disc alone; a disc and a tail; a tail."""

RANGES = (
    (0.3, 0.4, "lowest channels"),
    (0.4, 1.0, "shelf of the redistribution"),
    (1.0, 1.8, "magnesium edge"),
    (1.8, 2.25, "silicon edge"),
    (2.25, 6.2, ""),
    (6.2, 7.1, "iron line"),
    (7.1, 8.0, ""),
    (8.0, 10.0, "highest energies"),
)
"""keV, and what stands out there."""

LEAST_SPECTRA = 5

ROUNDED, LEAST_ERROR = 0.005, 0.01
"""Of the errors to fit again with: below a per cent no calibration is known."""


def between(low: float, high: float) -> NDArray[np.bool_]:
    """(240,) the bins whose middle lies in low..high keV."""
    return (low <= ENERGY) & (high > ENERGY)


@dataclass(frozen=True)
class Residuals:
    """Of N spectra: delta and its variance by noise, whether a bin counts, (N, 240) each; net counts; hardness; PGSTAT
    of the fits over the degrees of freedom, (N,) each.
    """

    delta: Float64
    variance: Float64
    used: NDArray[np.bool_]
    net: Float64
    hardness: Float64
    reduced: Float64

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Residuals:
        return Residuals(*(values[chosen] for values in vars(self).values()))

    def __len__(self) -> int:
        return len(self.net)


@dataclass(frozen=True)
class Deviation:
    """What is systematic in each bin (240,), as fractions, and the noise of a spectrum; NaN where few spectra count."""

    mean: Float64
    rms: Float64
    scatter: Float64
    noise: Float64

    @classmethod
    def of(cls, residuals: Residuals, systematic: float) -> Deviation:
        weights = np.where(residuals.used, 1 / (residuals.variance + systematic**2), 0)
        enough = residuals.used.sum(axis=0) >= LEAST_SPECTRA
        weights = weights / np.where(enough, weights.sum(axis=0), np.nan)
        mean = (weights * residuals.delta).sum(axis=0)
        square = (weights * (residuals.delta**2 - residuals.variance)).sum(axis=0)
        noise = (weights * residuals.variance).sum(axis=0)
        return cls(mean, _root(square), _root(square - mean**2), np.sqrt(noise))

    def over(self, low: float, high: float) -> tuple[float, float, float]:
        """Mean, rms and scatter of the bins between two energies [keV]."""
        inside = between(low, high) & np.isfinite(self.mean)
        if not inside.any():
            return np.nan, np.nan, np.nan
        rms, scatter = (float(np.sqrt(np.mean(values[inside] ** 2))) for values in (self.rms, self.scatter))
        return float(self.mean[inside].mean()), rms, scatter


def _root(square: Float64) -> Float64:
    """Zero where the noise was less than it should be."""
    return np.sqrt(np.maximum(square, 0))


def residuals(observations: Sequence[Observation], fits: Sequence[BestFit]) -> Residuals:
    """What the fits leave."""
    model = np.array([expected_counts(np.array([f.theta]), obs)[0] for obs, f in zip(observations, fits, strict=True)])
    counts, background, error, good = (
        np.array([getattr(obs, name) for obs in observations])
        for name in ("counts", "background", "background_error", "good")
    )
    net = (counts - background) * good
    soft, hard = (net[:, between(*band)].sum(axis=1) for band in HARDNESS_BANDS)
    variance = (model + background + error**2) / model**2
    return Residuals(
        delta=(counts - background) / model - 1,
        variance=variance,
        used=good & (background < MOST_BACKGROUND * model) & (variance < MOST_NOISE**2),
        net=net.sum(axis=1),
        hardness=hard / np.maximum(soft, 1),
        reduced=np.array([f.pgstat / f.dof for f in fits]),
    )


def by_range(deviation: Deviation, systematic: float) -> str:
    """Markdown: the systematic deviation in each range of energies [%]."""
    lines = ["| keV | | mean | rms | scatter about the mean | bins within the error |", "|---|---|---:|---:|---:|---:|"]
    for low, high, what in (*RANGES, (RANGES[0][0], RANGES[-1][1], "all")):
        mean, rms, scatter = (100 * value for value in deviation.over(low, high))
        covered = np.mean(deviation.rms[between(low, high)] <= systematic)
        lines.append(f"| {low:g} - {high:g} | {what} | {mean:+.1f} | {rms:.1f} | {scatter:.1f} | {covered:.0%} |")
    return "\n".join(lines)


def by_state(states: Mapping[str, Residuals], systematic: float) -> str:
    """Markdown: mean, rms [%] in each range by state."""
    names = [f"{name} ({len(chosen)})" for name, chosen in states.items()]
    lines = [f"| keV | | {' | '.join(names)} |", "|---|---" + "|---:" * len(names) + "|"]
    deviations = [Deviation.of(chosen, systematic) for chosen in states.values()]
    for low, high, what in RANGES:
        cells = " | ".join(_cell(*deviation.over(low, high)[:2]) for deviation in deviations)
        lines.append(f"| {low:g} - {high:g} | {what} | {cells} |")
    return "\n".join(lines)


def _cell(mean: float, rms: float) -> str:
    return f"{100 * mean:+.1f}, {100 * rms:.1f}" if np.isfinite(rms) else "-"


def covering(deviation: Deviation) -> Float64:
    """(240,) the rms of each bin's range as a systematic error, rounded."""
    error = np.empty(len(ENERGY))
    for low, high, _ in RANGES:
        error[between(low, high)] = max(ROUNDED * round(deviation.over(low, high)[1] / ROUNDED), LEAST_ERROR)
    return error


def save_plots(folder: Path, deviation: Deviation, beside: Mapping[str, Residuals], systematic: float) -> None:
    """residuals-mean.png and residuals-rms.png."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        for name, plot in (("mean", _plot_mean), ("rms", _plot_rms)):
            figure = Figure(figsize=(7, 3.4), dpi=150, layout="constrained")
            plot(figure.subplots(), deviation, beside, systematic)
            figure.savefig(folder / f"residuals-{name}.png")


def _plot_mean(ax: Axes, deviation: Deviation, beside: Mapping[str, Residuals], systematic: float) -> None:
    ax.axhspan(-100 * systematic, 100 * systematic, color="0.9", lw=0, label=f"{100 * systematic:g} %")
    low, high = 100 * (deviation.mean - deviation.scatter), 100 * (deviation.mean + deviation.scatter)
    ax.fill_between(ENERGY, low, high, color="#0072b2", alpha=0.3, lw=0, label="scatter about it")
    ax.plot(ENERGY, 100 * deviation.mean, color="#0072b2", lw=1.2, label="mean")
    for (name, one), colour in zip(beside.items(), ("#d55e00", "#009e73", "#cc79a7"), strict=False):
        ax.plot(ENERGY, 100 * np.where(one.used[0], one.delta[0], np.nan), color=colour, lw=0.7, label=name)
    ax.set_ylim(-8, 14)
    _finish(ax, "data/model - 1 [%]")


def _plot_rms(ax: Axes, deviation: Deviation, beside: Mapping[str, Residuals], systematic: float) -> None:
    ax.plot(ENERGY, 100 * deviation.rms, color="#0072b2", lw=1.2, label="rms, noise removed")
    ax.plot(ENERGY, 100 * deviation.scatter, color="#d55e00", lw=0.8, label="scatter about the mean")
    ax.plot(ENERGY, 100 * deviation.noise, color="0.6", lw=0.8, ls=":", label="noise of a spectrum")
    ax.axhline(100 * systematic, color="black", lw=0.8, ls="--", label=f"{100 * systematic:g} %")
    ax.set_ylim(0, 13)
    _finish(ax, "deviation of data from model [%]")


def _finish(ax: Axes, label: str) -> None:
    from matplotlib.ticker import ScalarFormatter

    ax.set_xscale("log")
    ax.set_xlim(0.3, 10)
    ax.set_xticks([0.3, 0.5, 1, 2, 3, 5, 7, 10])
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.minorticks_off()
    ax.set_xlabel("energy [keV]")
    ax.set_ylabel(label)
    ax.legend(frameon=False, ncols=3, loc="upper right")


def shifts(fits: Sequence[BestFit], again: Sequence[BestFit]) -> str:
    """By how many standard errors of the first fits the parameters moved, in the median."""
    moved = np.abs([(new.u - old.u) / old.sigma for old, new in zip(fits, again, strict=True)])
    names = (parameter.name for parameter in fits[0].parameters)
    return ", ".join(f"{name} {value:.1f}" for name, value in zip(names, np.nanmedian(moved, axis=0), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="What the model gets wrong on real spectra.")
    parser.add_argument("spectra", type=Path, help="folder of spectra")
    parser.add_argument("--rmf", type=Path, required=True, help="redistribution matrix for all")
    parser.add_argument("--arfs", type=Path, required=True, help="folder with the ARFs that the headers name")
    parser.add_argument("--systematic", type=float, default=0.015, help="fractional systematic error of the fits")
    parser.add_argument("--counts", type=float, default=1e5, help="least net counts of a spectrum that is looked at")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="spectra to plot one by one")
    parser.add_argument("--plots", type=Path, help="folder to write the plots into")
    parser.add_argument("--refit", action="store_true", help="fit again with the systematic error that was found")
    options = parser.parse_args()
    fit = load_model("nicer-bhb", "cpu").fit
    observations = RealFiles(options.spectra, options.rmf, options.arfs).read(options.systematic, None, print)
    fits = [fit(obs) for obs in observations]
    every = residuals(observations, fits)
    chosen = every.net >= options.counts
    bright = every[chosen]
    deviation = Deviation.of(bright, options.systematic)
    states = {name: bright[(bright.hardness >= a) & (bright.hardness < b)] for name, (a, b) in STATES.items()}
    print(f"{len(every)} spectra, {len(bright)} bright; reduced PGSTAT, mean (median): {_reduced(bright)} of these\n")
    print(by_range(deviation, options.systematic), by_state(states, options.systematic), sep="\n\n")
    if options.plots:
        beside = [read_observation(path, systematic=options.systematic) for path in options.beside]
        single = {obs.name.removesuffix(".pha"): residuals([obs], [fit(obs)]) for obs in beside}
        save_plots(options.plots, deviation, single, options.systematic)
    if options.refit:
        error = covering(deviation)
        again = [replace(observations[k], systematic=error) for k in np.flatnonzero(chosen)]
        refits = [fit(obs) for obs in again]
        print(f"\nwith each range's rms as the error, at least 1 %: {_reduced(residuals(again, refits))}")
        moved = shifts([fits[k] for k in np.flatnonzero(chosen)], refits)
        print(f"the parameters move by, in standard errors at {options.systematic:g}: {moved}")


def _reduced(found: Residuals) -> str:
    return f"{found.reduced.mean():.2f} ({np.median(found.reduced):.2f})"


if __name__ == "__main__":
    main()
