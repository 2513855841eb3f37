"""Whether a bundle's grid covers a spectrum; where it does not, which bundles there are and how to train another."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.edges import Numbering
from xspecnf.errors import InputError
from xspecnf.grid import FloatArray, Grid
from xspecnf.ogip import Spectrum


def refuse_foreign(spectrum: Spectrum, grid: Grid) -> None:
    """Raise InputError unless the spectrum is of the grid's detector and of as many channels."""
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


def in_place(spectrum: Spectrum, channels: int, numbering: Numbering, source: str) -> Spectrum:
    """The spectrum with its channels counted from 0 by rising energy, in place of their labels.

    numbering: of the labels, as `source` has it, which messages name. Raises InputError for labels that are numbered
    otherwise, that the detector's `channels` do not have, or that appear twice.
    """
    place = numbering.place(spectrum.channel, channels)
    first = spectrum.first_channel
    if first not in (None, numbering.first):
        raise InputError(
            f"{spectrum.path}: its channels are numbered from {first}, those of {source} from {numbering.first}; "
            "make both with the same numbering"
        )
    if place.min() < 0 or place.max() >= channels:
        found = f"{spectrum.channel.min()}..{spectrum.channel.max()}"
        last = numbering.first + channels - 1
        raise InputError(
            f"{spectrum.path}: channels {found} reach outside {numbering.first}..{last}, those of {source}; extract "
            "the spectrum again"
        )
    if len(np.unique(place)) != len(place):
        raise InputError(f"{spectrum.path}: a channel appears twice; extract the spectrum again")
    return replace(spectrum, channel=place)


def per_channel(spectrum: Spectrum, values: NDArray[Any], grid: Grid, absent: float = 0.0) -> FloatArray:
    """Values per entry of the file (entries,) as values per channel of the detector (channels,), `absent` where it has
    no entry. The spectrum's channels are counted from 0.
    """
    result = np.full(grid.channels, absent, dtype=np.float64)
    result[spectrum.channel] = values
    return result


def _advice() -> str:
    """The shipped bundles, each with its instrument, and the way to one more."""
    from xspecnf.bundle import MANIFEST_FILE, shipped_bundles

    manifests = {name: json.loads((folder / MANIFEST_FILE).read_text()) for name, folder in shipped_bundles().items()}
    known = ", ".join(f"{name} ({manifest['instrument']})" for name, manifest in manifests.items()) or "none"
    return (
        f"shipped bundles: {known}; give one for this instrument with --model BUNDLE, or train it with "
        "`xspecnf train` as docs/training.md tells"
    )
