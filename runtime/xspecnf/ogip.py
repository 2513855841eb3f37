"""OGIP spectral files (OGIP/92-007, CAL/GEN/92-002) as plain arrays: PHA spectra, ARFs and RMFs, gzipped or not.

What a file leaves out takes the standard's default; what cannot be a spectrum or a response raises InputError.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.dates import middle
from xspecnf.errors import InputError
from xspecnf.fitstable import Table, open_tables
from xspecnf.grid import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One type I spectrum as its file has it; every array is per row of the file, (rows,).

    channel: channel numbers.
    counts: over `exposure`, also where the file has a RATE. error: their standard deviations, None where the file
    asks for Poisson errors or states none.
    systematic: fractional. quality: 0 is good. grouping: 1 starts a bin, -1 goes on with it, 0 is no grouping.
    backscal, areascal: scale factors.
    exposure: s. channels: of the detector (DETCHANS).
    respfile, ancrfile, backfile: as in the header, '' where there is none.
    mjd: middle of the observation, days of the file's time system, NaN where the file does not tell.
    notes: what a user should know about the reading.
    """

    path: Path
    channel: IntArray
    counts: FloatArray
    error: FloatArray | None
    systematic: FloatArray
    quality: IntArray
    grouping: IntArray
    backscal: FloatArray
    areascal: FloatArray
    exposure: float
    channels: int
    telescope: str
    instrument: str
    respfile: str
    ancrfile: str
    backfile: str
    mjd: float
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Arf:
    """Effective area: energy_edges (n + 1,) keV, area (n,) cm^2."""

    path: Path
    energy_edges: FloatArray
    area: FloatArray


@dataclass(frozen=True, eq=False)
class Rmf:
    """Redistribution matrix: a photon of energy bin energy[i] is recorded in channel[i] with probability value[i].

    energy_edges: (n + 1,) keV.
    energy, channel, value: (cells,); channel counts from 0. In a whole response (RSP) value is in cm^2.
    channels: how many. first_channel: the number that spectra give to the first one.
    """

    path: Path
    energy_edges: FloatArray
    energy: IntArray
    channel: IntArray
    value: FloatArray
    channels: int
    first_channel: int


def read_spectrum(path: str | Path) -> Spectrum:
    """Read the first SPECTRUM table of a PHA file.

    Raises InputError: unreadable, no SPECTRUM, type II, no CHANNEL, neither COUNTS nor RATE, numbers that are not
    finite, exposure or scale factors that are not positive.
    """
    path = Path(path)
    with open_tables(path) as tables:
        table, notes = _only(tables, path, "SPECTRUM", "PHA spectrum")
        _refuse_type_2(table)
        exposure = _exposure(table)
        counts, error = _counts(table, exposure)
        return Spectrum(
            path=path,
            channel=table.integers("CHANNEL"),
            counts=counts,
            error=error,
            systematic=table.finite("SYS_ERR", 0.0),
            quality=table.integers("QUALITY", 0),
            grouping=table.integers("GROUPING", 0),
            backscal=table.positive("BACKSCAL"),
            areascal=table.positive("AREASCAL"),
            exposure=exposure,
            channels=int(table.number("DETCHANS", len(table))),
            telescope=table.text("TELESCOP"),
            instrument=table.text("INSTRUME"),
            respfile=table.text("RESPFILE"),
            ancrfile=table.text("ANCRFILE"),
            backfile=table.text("BACKFILE"),
            mjd=middle(table.header),
            notes=notes,
        )


def read_arf(path: str | Path) -> Arf:
    """Read the SPECRESP table of an ARF. Raises InputError: unreadable, none in it, energies or areas not usable."""
    path = Path(path)
    with open_tables(path) as tables:
        table, _ = _only(tables, path, "SPECRESP", "effective area file (ARF)")
        area = table.finite("SPECRESP")
        if np.any(area < 0):
            raise InputError(f"{path}: negative effective areas; make the ARF again")
        return Arf(path, _energy_edges(table), area)


def read_rmf(path: str | Path) -> Rmf:
    """Read the MATRIX (or SPECRESP MATRIX) and EBOUNDS of an RMF or RSP.

    Raises InputError: unreadable, no matrix, channels outside the detector's, groups longer than their matrix row.
    """
    path = Path(path)
    with open_tables(path) as tables:
        name = "MATRIX" if "MATRIX" in tables else "SPECRESP MATRIX"
        table, _ = _only(tables, path, name, "redistribution matrix (RMF or RSP)")
        bounds, _ = _only(tables, path, "EBOUNDS", "redistribution matrix (RMF or RSP)")
        first_channel = _first_channel(table, bounds)
        energy, channel, value = _matrix_cells(table)
        channel = channel - first_channel
        if len(channel) == 0 or channel.min() < 0 or channel.max() >= len(bounds):
            found = f"channels {channel.min()}..{channel.max()} from the first" if len(channel) else "no channel at all"
            raise InputError(f"{path}: the matrix fills {found}, EBOUNDS has {len(bounds)}; correct TLMIN of F_CHAN")
        return Rmf(path, _energy_edges(table), energy, channel, value, len(bounds), first_channel)


def _only(tables: dict[str, list[Table]], path: Path, name: str, what: str) -> tuple[Table, tuple[str, ...]]:
    """The first table of that name, and a note where there are more."""
    found = tables.get(name, [])
    if not found:
        held = ", ".join(tables) or "no table"
        raise InputError(f"{path}: no {name} table (it holds {held}); give a {what}")
    if len(found[0]) == 0:
        raise InputError(f"{path}: the {name} table is empty; give a {what}")
    return found[0], (f"{path.name} holds {len(found)} {name} tables; the first was read",) if len(found) > 1 else ()


def _refuse_type_2(table: Table) -> None:
    """Raise InputError for a file of several spectra, one a row."""
    data = next((name for name in ("COUNTS", "RATE") if name in table), None)
    declared = "TYPE:II" in (table.text("HDUCLAS3"), table.text("HDUCLAS4"))
    if declared or (data is not None and table.column(data).ndim > 1):
        rows = table.integers("SPEC_NUM") if "SPEC_NUM" in table else np.arange(1, len(table) + 1)
        raise InputError(
            f"{table.path}: a type II file with {len(rows)} spectra (rows {', '.join(map(str, rows))}); not supported "
            "yet: extract the row you want into a type I file"
        )


def _exposure(table: Table) -> float:
    """Seconds. Raises InputError unless finite and positive."""
    if "EXPOSURE" not in table.header:
        raise InputError(f"{table.path}: no EXPOSURE keyword; write the exposure in seconds into its header")
    exposure = table.number("EXPOSURE", np.nan)
    if not (np.isfinite(exposure) and exposure > 0):
        raise InputError(f"{table.path}: EXPOSURE = {exposure:g} s is not a positive time; correct its header")
    return exposure


def _counts(table: Table, exposure: float) -> tuple[FloatArray, FloatArray | None]:
    """Counts and their stated errors (None: Poisson), from COUNTS or from RATE times the exposure.

    As in XSPEC, POISSERR = T makes a STAT_ERR that is there all the same count for nothing.
    """
    if "COUNTS" not in table and "RATE" not in table:
        raise InputError(f"{table.path}: neither a COUNTS nor a RATE column; give a PHA spectrum")
    name, seconds = ("COUNTS", 1.0) if "COUNTS" in table else ("RATE", exposure)
    counts = table.finite(name) * seconds
    error = table.finite("STAT_ERR", 0.0) * seconds
    stated = not table.flag("POISSERR") and bool(np.any(error > 0))
    return counts, error if stated else None


def _energy_edges(table: Table) -> FloatArray:
    """(n + 1,) keV. Raises InputError unless the bins follow one another."""
    low, high = table.finite("ENERG_LO"), table.finite("ENERG_HI")
    if low[0] > high[-1]:
        raise InputError(f"{table.path}: its energies decrease (a grating's); sort it by energy")
    if np.any(high < low) or not np.allclose(high[:-1], low[1:], rtol=1e-5, atol=1e-9):
        raise InputError(f"{table.path}: its energy bins overlap or leave gaps; make it again")
    return np.append(low, high[-1])


def _first_channel(matrix: Table, bounds: Table) -> int:
    """The number of the first channel: TLMIN of F_CHAN, else that of EBOUNDS, else its first row.

    The standard's default for an absent TLMIN is 1, yet files without it number from 0 as often.
    """
    for table, column in ((matrix, "F_CHAN"), (bounds, "CHANNEL")):
        lowest = table.column_keyword("TLMIN", column)
        if lowest is not None:
            return lowest
    return int(bounds.integers("CHANNEL")[0])


def _matrix_cells(table: Table) -> tuple[IntArray, IntArray, FloatArray]:
    """Energy index, channel number and value (cells,) of every stored cell.

    Row e of the table holds N_GRP groups of neighbouring channels; group g starts at channel F_CHAN[g], is
    N_CHAN[g] long, and the groups' values follow one another in MATRIX. Columns may be scalars, vectors padded at
    the end or of variable length.
    """
    groups = table.integers("N_GRP")
    first, row = _flattened(table.column("F_CHAN"), groups, table.path)
    length, _ = _flattened(table.column("N_CHAN"), groups, table.path)
    first, length = first.astype(np.int64), length.astype(np.int64)
    cells = np.bincount(row, weights=length, minlength=len(groups)).astype(np.int64)
    value, energy = _flattened(table.column("MATRIX"), cells, table.path)
    start = np.cumsum(length) - length
    channel = np.repeat(first - start, length) + np.arange(length.sum())
    value = value.astype(np.float64)
    if not np.all(np.isfinite(value)):
        raise InputError(f"{table.path}: the matrix holds numbers that are not finite; make it again")
    return energy, channel, value


def _flattened(column: NDArray[np.generic], used: IntArray, path: Path) -> tuple[NDArray[np.generic], IntArray]:
    """The first used[i] entries of each row i, one after another, and the row of each.

    Raises InputError when a row is shorter than that.
    """
    if column.dtype != object:
        column = column.reshape(len(column), -1)
    held = np.array([len(row) for row in column])
    if np.any(held < used):
        raise InputError(
            f"{path}: row {np.argmax(held < used)} of the matrix is shorter than its groups; make it again"
        )
    values = np.concatenate([np.atleast_1d(row[:n]) for row, n in zip(column, used, strict=True)])
    return values, np.repeat(np.arange(len(used)), used)
