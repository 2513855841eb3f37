"""What lies behind a source: its background, scaled to the source, and what a correction file adds to it.

    B = sum over the channels c of a bin of  r_c b_c + CORRSCAL r'_c k_c,   r = t_s w_s / (t_b w_b)

with the counts b of the background and k of the correction file, exposures t and w = BACKSCAL AREASCAL. The errors of
the background add in quadrature, its SYS_ERR's among them, channel by channel, as in XSPEC; the correction has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from xspecnf.caveats import absent_caveat, background_caveat
from xspecnf.companions import Search, is_none, search
from xspecnf.coverage import in_place, per_channel, refuse_foreign
from xspecnf.edges import Numbering
from xspecnf.errors import InputError
from xspecnf.grid import BoolArray, FloatArray, Grid
from xspecnf.ogip import Spectrum, read_spectrum


@dataclass(frozen=True, eq=False)
class Background:
    """The background of a spectrum on a grid; arrays are (bins,).

    spectrum: as measured, its channels counted from 0; None where there is none.
    counts, error: in counts of the source's exposure and area, the correction included.
    void: bins with a channel for which the background or the correction has no value.
    searches: for its file and for the correction.
    missing_correction: the correction file that the header names and that is not there, '' otherwise.
    notes: what a user should know.
    """

    spectrum: Spectrum | None
    counts: FloatArray
    error: FloatArray
    void: BoolArray
    searches: tuple[Search, ...] = ()
    missing_correction: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def find(cls, source: Spectrum, option: str | Path | None, numbering: Numbering, grid: Grid) -> Self:
        """The background of a source whose channels are counted from 0.

        option: a file in place of the header's, or "none". Raises InputError for files that cannot be used.
        """
        if is_none(option):
            alone = replace(cls._scaled(source, None, grid), notes=("no background, as asked; it is taken as zero",))
        else:
            result = search(source, "background", option)
            measured, notes = _measured(result, numbering, grid)
            alone = replace(cls._scaled(source, measured, grid), searches=(result,), notes=notes)
        return alone._corrected(source, numbering, grid)

    @classmethod
    def _scaled(cls, source: Spectrum, measured: Spectrum | None, grid: Grid) -> Self:
        if measured is None:
            return cls(None, np.zeros(grid.bins), np.zeros(grid.bins), np.zeros(grid.bins, bool))
        ratio = scale(source, measured, grid)
        counts = grid.group(ratio * per_channel(measured, measured.counts, grid))
        variance = grid.group(ratio**2 * per_channel(measured, measured.variance, grid))
        return cls(measured, counts, np.sqrt(variance), _void(measured, grid))

    def _corrected(self, source: Spectrum, numbering: Numbering, grid: Grid) -> Self:
        """With the counts of the correction file that the source's header names, if any."""
        result = search(source, "correction")
        if not result.named or source.corrscal == 0:
            return self
        if result.found is None:
            note = f"the header's correction file {result.named} was not found; it was not subtracted"
            return replace(self, missing_correction=result.named, notes=(*self.notes, note))
        correction = _on_grid(result.found, numbering, grid)
        ratio = source.corrscal * scale(source, correction, grid)
        counts = self.counts + grid.group(ratio * per_channel(correction, correction.counts, grid))
        added = f"{result.found} times {source.corrscal:g}"
        note = f"the correction file {added} was added to the background, without errors"
        void = self.void | _void(correction, grid)
        notes = (*self.notes, *result.notes, *correction.notes, note)
        return replace(self, counts=counts, void=void, searches=(*self.searches, result), notes=notes)


def scale(source: Spectrum, other: Spectrum, grid: Grid) -> FloatArray:
    """(channels,) what turns counts of another spectrum into counts of the source's exposure and area."""
    weights = (one.exposure * per_channel(one, one.backscal * one.areascal, grid, 1.0) for one in (source, other))
    return next(weights) / next(weights)


def refuse_no_fractions(spectrum: Spectrum, remedy: str) -> None:
    """Raise InputError for a SYS_ERR that is no fraction, as one in per cent."""
    errors = spectrum.systematic
    if np.any((errors < 0) | (errors > 1)):
        found = f"{errors.min():g}..{errors.max():g}"
        raise InputError(f"{spectrum.path}: SYS_ERR of {found} are no fractions; {remedy}")


def _void(spectrum: Spectrum, grid: Grid) -> BoolArray:
    """(bins,) with a channel for which the spectrum has no value."""
    return grid.group(per_channel(spectrum, spectrum.void, grid)) > 0


def _measured(result: Search, numbering: Numbering, grid: Grid) -> tuple[Spectrum | None, tuple[str, ...]]:
    """The background that a search found, and notes on it."""
    if result.found is None:
        absent = f"the header's background {result.named} was not found" if result.named else "no background file"
        return None, (f"{absent}; the background is taken as zero",)
    measured = _on_grid(result.found, numbering, grid)
    return measured, (*result.notes, *_notes(measured, grid))


def _notes(measured: Spectrum, grid: Grid) -> Iterator[str]:
    yield from measured.notes
    yield from background_caveat(measured)
    yield from absent_caveat(measured, grid)
    if measured.systematic.any():
        yield f"{measured.name}: its SYS_ERR was added to its errors, each channel by itself"


def _on_grid(name: Path, numbering: Numbering, grid: Grid) -> Spectrum:
    """A spectrum of the source's detector, its channels counted from 0."""
    spectrum = read_spectrum(name)
    refuse_foreign(spectrum, grid)
    refuse_no_fractions(spectrum, "correct it")
    return in_place(spectrum, grid.channels, numbering, "the source")
