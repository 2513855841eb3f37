"""The instrument of a training run: its response on the bundle's grid and its background's shape.

Without a grid of its own a run has NICER's. Otherwise the bins share the detector's resolution evenly: with the width
w(E) of the RMF's line at energy E, each bin holds the same part of the integral of dE/w(E), cut at channel edges.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from xspecnf.atomic import write_atomically
from xspecnf.bundle import RESPONSE_FILE, Bundle
from xspecnf.coverage import in_place, per_channel
from xspecnf.edges import Numbering
from xspecnf.errors import InputError
from xspecnf.grid import NICER, FloatArray, Grid
from xspecnf.ogip import Rmf, read_rmf, read_spectrum
from xspecnf.physics import MODEL_EDGES
from xspecnf.response import Response, load_response
from xspecnf_train.simulate import SimulatorConfig

INSTRUMENT_FILE = "instrument.json"
"""In a run, beside the response: grid and background. Runs without it are of NICER."""

SMOOTHED = 9
"""Bins over which a background file's counts are averaged: it has few of them."""

OUTSIDE = 0.01
"""Share of the counts of a flat spectrum that may come from photons for which there is no model."""


@dataclass(frozen=True)
class GridConfig:
    """energy: lowest and highest [keV]; bins: how many, at least 32, which the search for lines adds up."""

    energy: tuple[float, float]
    bins: int

    def __post_init__(self) -> None:
        if not 0 < self.energy[0] < self.energy[1]:
            raise ValueError(f"energy must be a rising interval of positive keV, not {self.energy}")
        if self.bins < 32:
            raise ValueError(f"bins is {self.bins}; use 32 or more")


@dataclass(frozen=True)
class InstrumentConfig:
    """Files relative to the configuration: rmf; arf ('' where the RMF includes the area); background, a PHA file whose
    shape backgrounds are simulated with ('' for NICER's). grid: None for NICER's 240 bins.
    """

    rmf: str = ""
    arf: str = ""
    background: str = ""
    grid: GridConfig | None = None

    @property
    def bins(self) -> int:
        """Of the grid."""
        return self.grid.bins if self.grid else NICER.bins


@dataclass(frozen=True, eq=False)
class Instrument:
    """The reference response on the grid, and the background's share in each bin, () for NICER's background."""

    response: Response
    background_shape: Sequence[float] = ()

    @classmethod
    def read(cls, config: InstrumentConfig, folder: Path) -> Self:
        """From the configuration's files in `folder`. Raises InputError for files that cannot be used or do not fit."""
        if not config.rmf:
            raise InputError('[instrument] names no rmf; give rmf = "..." and arf = "..." relative to this file')
        rmf = folder / config.rmf
        grid = NICER if config.grid is None else resolution_grid(read_rmf(rmf), config.grid)
        response = load_response(rmf, folder / config.arf if config.arf else None, grid)
        _refuse_unusable(response)
        return cls(response, _shape(folder / config.background, response) if config.background else ())

    def save(self, run: Path) -> None:
        """Write it into a training run's folder."""
        about = {"grid": self.response.grid.to_dict(), "background_shape": list(self.background_shape)}
        write_atomically(run / INSTRUMENT_FILE, json.dumps(about).encode())
        self.response.save(run / RESPONSE_FILE)

    @classmethod
    def load(cls, run: Path) -> Self:
        """Read what `save` wrote. Raises BundleError for files that are damaged."""
        path = run / INSTRUMENT_FILE
        if not path.exists():
            return cls(Response.load(run / RESPONSE_FILE))
        about = json.loads(path.read_text())
        response = Response.load(run / RESPONSE_FILE, Grid.from_dict(about["grid"]))
        return cls(response, tuple(about["background_shape"]))

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Self:
        """What a bundle was trained with. Raises BundleError for a response that is damaged."""
        simulator = bundle.provenance.get("configuration", {}).get("simulator", {})
        response = Response.load(bundle.path / RESPONSE_FILE, bundle.grid)
        return cls(response, tuple(simulator.get("background_shape", ())))

    def simulated_by(self, config: SimulatorConfig) -> SimulatorConfig:
        """The simulator's settings with this background."""
        return replace(config, background_shape=tuple(self.background_shape))


def resolution_grid(rmf: Rmf, config: GridConfig) -> Grid:
    """Bins of equal shares of the resolution over config.energy.

    Raises InputError when the channels are too coarse, and for an RMF that names no telescope.
    """
    if not rmf.telescope:
        raise InputError(f"{rmf.path}: its EBOUNDS name no telescope; write TELESCOP and INSTRUME into their header")
    edges = rmf.channel_edges
    first, stop = np.searchsorted(edges, config.energy[0]), np.searchsorted(edges, config.energy[1], side="right") - 1
    middle = (edges[1:] + edges[:-1]) / 2
    width = np.interp(middle, (rmf.energy_edges[1:] + rmf.energy_edges[:-1]) / 2, line_width(rmf))
    elements = np.concatenate([[0.0], np.cumsum((np.diff(edges) / width)[first:stop])])
    cuts = np.interp(np.linspace(0, elements[-1], config.bins + 1), elements, np.arange(first, stop + 1))
    cuts = cuts.round().astype(int)
    sizes = np.diff(cuts)
    if np.any(sizes < 1):
        raise InputError(
            f"{rmf.path}: {stop - first} channels between {config.energy[0]:g} and {config.energy[1]:g} keV cannot "
            f"make {config.bins} bins of equal resolution; ask for fewer bins in [instrument.grid]"
        )
    return Grid(
        channel_edges=tuple(cuts.tolist()),
        group_sizes=tuple(sizes.tolist()),
        energy_range=config.energy,
        bins=config.bins,
        channels=rmf.channels,
        lowest_channel=rmf.first_channel,
        energies=tuple(edges[cuts].tolist()),
        telescope=rmf.telescope,
        instrument=rmf.instrument,
    )


def line_width(rmf: Rmf) -> FloatArray:
    """(n,) keV: full width at half maximum of a Gaussian with the middle half of each RMF row's counts, one channel at
    least. Quartiles leave an escape peak or a tail out of account.
    """
    matrix = np.zeros((len(rmf.energy_edges) - 1, rmf.channels))
    np.add.at(matrix, (rmf.energy, rmf.channel), rmf.value)
    cumulative = np.cumsum(matrix, axis=1)
    cumulative /= np.maximum(cumulative[:, -1:], 1e-300)
    low, high = np.array([np.interp([0.25, 0.75], row, rmf.channel_edges[1:]) for row in cumulative]).T
    return np.maximum(1.746 * (high - low), np.diff(rmf.channel_edges).min())


def _refuse_unusable(response: Response) -> None:
    """Raise InputError for a response without areas, or of photons that the physics has no model for."""
    if not response.includes_area:
        raise InputError(f"{response.name}: holds no effective area; name an arf in [instrument]")
    middle = (response.energy_edges[1:] + response.energy_edges[:-1]) / 2
    counts = np.diff(response.energy_edges) @ response.matrix
    modelled = (middle > MODEL_EDGES[0]) & (middle < MODEL_EDGES[-1])
    share = 1 - (np.diff(response.energy_edges)[modelled] @ response.matrix[modelled]).sum() / counts.sum()
    if share > OUTSIDE:
        raise InputError(
            f"{response.name}: {share:.0%} of a flat spectrum's counts come from photons outside "
            f"{MODEL_EDGES[0]:.2g}-{MODEL_EDGES[-1]:.2g} keV, where xspecnf has no model; narrow the grid's energies"
        )
    if np.any(counts <= 0):
        raise InputError(f"{response.name}: a bin of the grid has no effective area; narrow the grid's energies")


def _shape(path: Path, response: Response) -> tuple[float, ...]:
    """The background's share in each bin, smoothed. Raises InputError for a spectrum of another detector."""
    grid, spectrum = response.grid, read_spectrum(path)
    if spectrum.channels != grid.channels or not grid.takes(spectrum.telescope, spectrum.instrument):
        raise InputError(f"{path}: not on the channels of a {grid.detector} spectrum; give a background of the RMF's")
    spectrum = in_place(spectrum, grid.channels, response.numbering or Numbering(grid.lowest_channel), response.name)
    counts = np.maximum(per_channel(spectrum, spectrum.counts, grid), 0)
    density = np.pad((grid.group(counts) + 0.5) / grid.width, SMOOTHED // 2, mode="edge")
    smooth = np.convolve(density, np.ones(SMOOTHED), mode="valid") * grid.width
    return tuple((smooth / smooth.sum()).round(7).tolist())
