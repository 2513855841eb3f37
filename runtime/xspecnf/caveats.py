"""What a user should know about a spectrum's file: what it leaves open, what was taken for it, what was not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import Table
from xspecnf.grid import BoolArray, FloatArray, Grid, IntArray

if TYPE_CHECKING:
    from xspecnf.ogip import Spectrum

ASSUMED = {"BACKSCAL": 1, "AREASCAL": 1, "SYS_ERR": 0, "QUALITY": 0}
"""What the standard has every spectrum state, as a column or a keyword, and what is taken where one does not."""

UNITS = {"ENERG_LO": "keV", "ENERG_HI": "keV", "E_MIN": "keV", "E_MAX": "keV", "SPECRESP": "cm**2"}
"""What a response's columns are in, where the file states a unit."""


def unit_caveats(table: Table) -> tuple[str, ...]:
    """A note on the columns whose unit the table does not state. Raises InputError for one in another unit."""
    stated = {name: table.unit(name) for name in UNITS if name in table}
    for name, unit in stated.items():
        if unit and unit.lower().replace("^", "**").replace("cm2", "cm**2") != UNITS[name].lower():
            raise InputError(f"{table.path}: {name} is in {unit!r}, {UNITS[name]} expected; convert the file")
    absent = [f"{name} ({UNITS[name]} assumed)" for name, unit in stated.items() if not unit]
    return (f"{table.path.name} does not state the unit of {', '.join(absent)}",) if absent else ()


def caveats(table: Table) -> tuple[str, ...]:
    """A note each on a table that is not what its sums say, on what it does not state, on a background inside it."""
    name = table.path.name
    notes = list(table.notes)
    if absent := [keyword for keyword in ASSUMED if not table.states(keyword)]:
        taken = ", ".join(f"{keyword} = {ASSUMED[keyword]}" for keyword in absent)
        notes.append(f"{name} does not state {', '.join(absent)}; {taken} assumed")
    if table.header.get("POISSERR") is False and not table.states("STAT_ERR"):
        notes.append(f"{name} has POISSERR = F and no STAT_ERR; Poisson errors assumed")
    if "BACKGROUND_UP" in table or "BACKGROUND_DOWN" in table:
        notes.append(f"{name}: its BACKGROUND_UP and BACKGROUND_DOWN were not read; give a background file")
    return tuple(notes)


def void_caveats(table: Table, void: BoolArray) -> tuple[str, ...]:
    """A note on channels without a value, undefined or without area, of which the file's QUALITY does not tell."""
    number = int(np.count_nonzero(void))
    words = "hold no value (undefined counts, or AREASCAL or BACKSCAL of zero) and were left out"
    return (f"{table.path.name}: {number} channels {words}",) if number else ()


def source_caveat(spectrum: Spectrum) -> tuple[str, ...]:
    """A note on a spectrum that is taken for a source's and says that it is a background."""
    return (f"{spectrum.name} says that it is a background (HDUCLAS2 = BKG)",) if spectrum.background else ()


def error_caveat(spectrum: Spectrum) -> tuple[str, ...]:
    """A note where the counts' stated errors are not Poisson's, as the likelihood takes them to be.

    The variance of channels of ten counts and more is then not half to twice their sum; Gehrels' errors are inside.
    """
    many = spectrum.counts >= 10
    if spectrum.error is None or not many.any():
        return ()
    excess = float(np.sum(spectrum.error[many] ** 2) / np.sum(spectrum.counts[many]))
    note = f"{spectrum.name}: its stated variance is {excess:.2g} times that of Poisson counts and was not used"
    return () if 0.5 < excess < 2 else (note,)


def background_caveat(background: Spectrum) -> tuple[str, ...]:
    """A note on a background whose stated error is more than all of it, as where COUNTS and STAT_ERR changed places."""
    if background.error is None:
        return ()
    total, error = float(np.sum(background.counts)), float(np.sqrt(np.sum(background.error**2)))
    note = f"{background.name}: its {total:.3g} counts are less than their stated error, {error:.3g}; check its columns"
    return (note,) if error > abs(total) > 0 else ()


def absent_caveat(background: Spectrum, grid: Grid) -> tuple[str, ...]:
    """A note on a background that has no row for some channels of the grid's bins, as where its end is missing.

    background: its channels counted from 0, as the grid's are.
    """
    used = np.flatnonzero(grid.bin_of_channel >= 0)
    absent = int(np.count_nonzero(~np.isin(used, background.channel)))
    note = f"{background.name}: no row for {absent} of the {len(used)} channels in use; they were taken as zero"
    return (note,) if absent else ()


def few_counts_caveat(counts: float | None) -> tuple[str, ...]:
    """A note on a background of so few counts a bin that their square roots are no Gaussian errors; None: of more."""
    if counts is None:
        return ()
    return (f"the background's errors are square roots of {counts:.2g} counts a bin: too few for a Gaussian",)


def blind_caveat(name: str, blind: BoolArray, grid: Grid) -> tuple[str, ...]:
    """A note on bins in which the response has no area; they are left out."""
    if not blind.any():
        return ()
    span = f"{grid.energy_lo[blind].min():.2f}-{grid.energy_hi[blind].max():.2f} keV"
    return (f"{name}: no area in {blind.sum()} bins within {span}, which were left out",)


def empty_caveat(name: str, energy: IntArray, value: FloatArray) -> tuple[str, ...]:
    """A note on rows of a matrix, of cells in rows `energy` with `value`, that are empty between others."""
    rows = np.flatnonzero(np.bincount(energy, weights=value))
    empty = int(rows[-1] - rows[0] + 1 - len(rows)) if len(rows) else 0
    return (f"{name}: {empty} rows of the matrix are empty between others; it may be damaged",) if empty else ()
