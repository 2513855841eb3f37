"""Whether a bundle's grid covers a spectrum; where it does not, which bundles there are and how to train another."""

import json

import numpy as np

from xspecnf.errors import InputError
from xspecnf.grid import Grid
from xspecnf.ogip import Spectrum


def refuse_foreign(spectrum: Spectrum, grid: Grid) -> None:
    """Raise InputError unless the spectrum is of the grid's detector and on its channels."""
    if not spectrum.telescope:
        raise InputError(
            f"{spectrum.path}: no TELESCOP in its header, so not an observed spectrum (power spectra in PHA files name "
            "none either); if it is one, write TELESCOP and INSTRUME into the header"
        )
    if not grid.takes(spectrum.telescope, spectrum.instrument):
        found = f"TELESCOP = {spectrum.telescope!r}, INSTRUME = {spectrum.instrument!r}"
        raise InputError(f"{spectrum.path}: {found}, not a {grid.detector} spectrum; {_advice()}")
    if spectrum.channels != grid.channels:
        raise InputError(
            f"{spectrum.path}: {spectrum.channels} detector channels, the network's grid has {grid.channels}; give an "
            f"ungrouped spectrum over channels {grid.lowest_channel}..{grid.last_channel}, or {_advice()}"
        )
    _refuse_stray_channels(spectrum, grid)


def _refuse_stray_channels(spectrum: Spectrum, grid: Grid) -> None:
    """Raise InputError for channels that the detector does not have, or that appear twice."""
    first, last = grid.lowest_channel, grid.last_channel
    if spectrum.channel.min() < first or spectrum.channel.max() > last:
        found = f"{spectrum.channel.min()}..{spectrum.channel.max()}"
        raise InputError(f"{spectrum.path}: channels {found} reach outside {first}..{last}; extract the spectrum again")
    if len(np.unique(spectrum.channel)) != len(spectrum.channel):
        raise InputError(f"{spectrum.path}: a channel appears twice; extract the spectrum again")


def _advice() -> str:
    """The shipped bundles, each with its instrument, and the way to one more."""
    from xspecnf.bundle import MANIFEST_FILE, shipped_bundles

    manifests = {name: json.loads((folder / MANIFEST_FILE).read_text()) for name, folder in shipped_bundles().items()}
    known = ", ".join(f"{name} ({manifest['instrument']})" for name, manifest in manifests.items()) or "none"
    return (
        f"shipped bundles: {known}; give one for this instrument with --model BUNDLE, or train it with "
        "`xspecnf train` as docs/training.md tells"
    )
