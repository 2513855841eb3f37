"""The spectrum under its posterior: counts with the posterior predictive band, residuals in sigma, unfolded on request.

The band holds 68 and 95 % of what the model at this posterior would have observed: Poisson counts, the background's
error and the systematic error included (:mod:`xspecnf.predictive`). For the eye, neighbouring bins are joined until
they hold JOINED counts. Unfolded, the data are the model E F_E times observed over expected counts, as XSPEC's
`eeufspec`: where the model is wrong they are too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xspecnf.extras import require
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts, photons
from xspecnf.plots.colours import BLUE, GREEN, GREY, ORANGE
from xspecnf.posterior import Posterior
from xspecnf.predictive import replicated
from xspecnf.rows import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]

DRAWS = 200
"""Posterior samples that the bands are made of."""

JOINED, MOST_BINS = 20, 12
FINE_BINS = 400  # of the unfolded model
BANDS = ((0.025, 0.975, 0.25), (0.16, 0.84, 0.45))
"""Lower and upper quantile, opacity."""

SHOWN = 1e4
"""Largest over smallest E F_E: an absorbed source falls beyond any axis."""

TICKS = (0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
INCHES = (7.5, 6.0)


@dataclass(frozen=True)
class Bins:
    """Joined bins: the first and last of the observation's good bins in each."""

    groups: tuple[slice, ...]
    good: np.ndarray

    def sum(self, values: Floats) -> Floats:
        """Sums (..., groups) of values (..., bins)."""
        kept = values[..., self.good]
        return np.stack([kept[..., group].sum(axis=-1) for group in self.groups], axis=-1)

    def edges(self, obs: Observation) -> tuple[Floats, Floats]:
        """Lowest and highest energy (groups,) keV."""
        low, high = obs.energy_lo[self.good], obs.energy_hi[self.good]
        return np.array([low[g][0] for g in self.groups]), np.array([high[g][-1] for g in self.groups])


def joined_bins(obs: Observation) -> Bins:
    """Neighbouring good bins until they hold JOINED counts, MOST_BINS at most, and none across a gap."""
    counts = obs.counts[obs.good]
    gap_follows = np.diff(np.flatnonzero(obs.good), append=np.inf) > 1
    groups, start = [], 0
    for stop in range(1, len(counts) + 1):
        enough = counts[start:stop].sum() >= JOINED or stop - start == MOST_BINS
        if enough or gap_follows[stop - 1]:
            groups.append(slice(start, stop))
            start = stop
    return Bins(tuple(groups), obs.good)


def spectrum(posterior: Posterior, obs: Observation, unfolded: bool = False) -> Figure:
    """Data, model and residuals of one observation; with `unfolded` in E F_E instead of counts.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "plot", "a spectrum").Figure(figsize=INCHES, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
    theta = posterior.equally_weighted().theta
    theta = theta[:: max(1, len(theta) // DRAWS)]  # evenly from all, as MCMC's neighbours are alike
    source = expected_counts(theta, obs)
    bins = joined_bins(obs)
    if unfolded:
        _draw_unfolded(upper, theta, source, obs, bins)
    else:
        _draw_counts(upper, source, obs, bins, np.random.default_rng([posterior.seed, 4]))
    _draw_residuals(lower, source, obs, bins)
    _label(upper, lower, posterior, obs.response.grid.energy_range)
    upper.legend(fontsize=9, frameon=False, loc="lower left" if unfolded else "upper right")  # where little is drawn
    return figure


def _draw_counts(axes: Axes, source: Floats, obs: Observation, bins: Bins, rng: np.random.Generator) -> None:
    low, high = bins.edges(obs)
    per_rate = 1 / (obs.exposure * (high - low))
    replicates = bins.sum(replicated(source, obs, rng)) * per_rate
    for below, above, opacity in BANDS:
        ends = np.quantile(replicates, [below, above], axis=0)
        bottom, edges = _steps(low, high, ends[0])
        top, _ = _steps(low, high, ends[1])
        axes.stairs(top, edges, baseline=bottom, fill=True, color=ORANGE, alpha=opacity, lw=0)
    model = np.median(bins.sum(source + obs.background), axis=0) * per_rate
    axes.stairs(*_steps(low, high, model), color=ORANGE, lw=1.0, baseline=None, label="model, median")
    if obs.has_background:
        background = bins.sum(obs.background) * per_rate
        axes.stairs(*_steps(low, high, background), color=GREEN, lw=0.9, baseline=None, label="background")
    counts = bins.sum(obs.counts)
    _points(axes, low, high, counts * per_rate, np.sqrt(np.maximum(counts, 1)) * per_rate)
    shown = np.concatenate([model, (counts * per_rate)[counts > 0]])
    axes.set_ylim(0.3 * shown[shown > 0].min(), 2.5 * shown.max())
    axes.set_ylabel(r"counts s$^{-1}$ keV$^{-1}$")


def _draw_unfolded(axes: Axes, theta: Floats, source: Floats, obs: Observation, bins: Bins) -> None:
    edges = np.geomspace(*obs.response.grid.energy_range, FINE_BINS + 1)
    absorbed, bare = _energy_flux(theta, edges), theta.copy()
    bare[:, 0] = 0.0
    middle = np.sqrt(edges[1:] * edges[:-1])
    for below, above, opacity in BANDS:
        axes.fill_between(middle, *np.quantile(absorbed, [below, above], axis=0), color=ORANGE, alpha=opacity, lw=0)
    model = np.median(absorbed, axis=0)
    axes.plot(middle, model, color=ORANGE, lw=1.0, label="model, median")
    unabsorbed = np.median(_energy_flux(bare, edges), axis=0)
    axes.plot(middle, unabsorbed, color=BLUE, lw=1.0, ls="--", label="unabsorbed")
    low, high = bins.edges(obs)
    expected = np.median(bins.sum(source), axis=0)
    level = np.interp(np.sqrt(low * high), middle, model) / np.maximum(expected, 1e-30)
    net = bins.sum(obs.counts - obs.background)
    error = np.sqrt(np.maximum(bins.sum(obs.counts), 1) + bins.sum(obs.background_error**2))
    _points(axes, low, high, net * level, error * level)
    top = 3 * unabsorbed.max()
    axes.set_ylim(max(0.3 * model.min(), top / SHOWN), top)
    axes.set_ylabel(r"$E\,F_E$ [keV cm$^{-2}$ s$^{-1}$]")


def _energy_flux(theta: Floats, edges: Floats) -> Floats:
    """E F_E (S, n) in keV/cm^2/s: E^2 times the photon density of each bin."""
    return photons(theta, edges) * edges[1:] * edges[:-1] / np.diff(edges)


def _draw_residuals(axes: Axes, source: Floats, obs: Observation, bins: Bins) -> None:
    low, high = bins.edges(obs)
    model = np.median(source, axis=0)
    variance = bins.sum(model + obs.background + obs.background_error**2 + (obs.systematic * model) ** 2)
    sigma = bins.sum(obs.counts - obs.background - model) / np.sqrt(np.maximum(variance, 1e-30))
    for limit, opacity in ((2, 0.10), (1, 0.15)):
        axes.axhspan(-limit, limit, color=GREY, alpha=opacity, lw=0)
    axes.axhline(0, color=ORANGE, lw=1.0)
    _points(axes, low, high, sigma, np.ones_like(sigma))
    top = max(3.5, 1.3 + float(np.abs(sigma).max()))
    axes.set_ylim(-top, top)
    axes.set_ylabel(r"residual [$\sigma$]")


def _steps(low: Floats, high: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Values (n,) of bins as matplotlib's stairs take them, with their edges (n + 1,); NaN in the gaps between bins."""
    edges = np.unique(np.round(np.concatenate([low, high]), 6))
    steps = np.full(len(edges) - 1, np.nan)
    steps[np.searchsorted(edges, np.round(low, 6))] = values
    return steps, edges


def _points(axes: Axes, low: Floats, high: Floats, values: Floats, errors: Floats) -> None:
    middle = np.sqrt(low * high)
    width = np.array([middle - low, high - middle])
    axes.errorbar(middle, values, errors, width, fmt="none", ecolor="black", elinewidth=0.7, label="data")


def _label(upper: Axes, lower: Axes, posterior: Posterior, energy_range: tuple[float, float]) -> None:
    low, high = energy_range
    ticks = [tick for tick in TICKS if low <= tick <= high]
    upper.set_xscale("log")
    upper.set_yscale("log")
    upper.set_xlim(0.97 * low, 1.02 * high)
    lower.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    lower.set_xticks([], minor=True)
    lower.set_xlabel("energy [keV]")
    fit, name = posterior.fit, printable(posterior.file.rsplit("/", 1)[-1])
    statistic = f"PGSTAT/dof {fit.best:.0f}/{fit.dof} at best"
    upper.set_title(f"{name}: {statistic}, {posterior.diagnostics.verdict}", fontsize=11)
    for axes in (upper, lower):
        axes.tick_params(which="both", direction="in", top=True, right=True)
