"""OGIP spectral files (OGIP/92-007, CAL/GEN/92-002) as plain arrays: PHA spectra, ARFs and RMFs, gzipped or not.

What a file leaves out takes the standard's default; what cannot be a spectrum or a response raises InputError.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xspecnf.caveats import caveats, empty_caveat, unit_caveats
from xspecnf.dates import middle
from xspecnf.edges import channel_edges, energies, first_channel
from xspecnf.errors import InputError
from xspecnf.fitstable import LARGEST_NUMBER, Table, open_tables
from xspecnf.grid import FloatArray, IntArray
from xspecnf.matrix import cells
from xspecnf.rows import chosen, split_row, with_row

LARGEST_TABLE = 2**20
"""Rows: detectors have thousands of channels, responses thousands of energies."""

WORST_QUALITY = 9
"""The standard defines 0 to 5 and reserves a few more."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One spectrum as its file has it; every array is per entry of the file, (entries,).

    row: of a type II file, None for type I.
    channel: channel numbers.
    counts: over `exposure`, also where the file has a RATE. error: their standard deviations, None where the file
    asks for Poisson errors or states none.
    systematic: fractional. quality: 0 is good. grouping: 1 starts a bin, -1 goes on with it, 0 is no grouping.
    backscal, areascal: scale factors.
    exposure: s. channels: of the detector (DETCHANS). net: whether the background was subtracted.
    respfile, ancrfile, backfile: as in the header, '' where there is none.
    mjd: middle of the observation, days of the file's time system, NaN where the file does not tell.
    notes: what a user should know about the reading.
    """

    path: Path
    row: int | None
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
    net: bool
    telescope: str
    instrument: str
    respfile: str
    ancrfile: str
    backfile: str
    mjd: float
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name, with the row in braces where it has many."""
        return with_row(self.path, self.row).name


@dataclass(frozen=True, eq=False)
class Arf:
    """Effective area: energy_edges (n + 1,) keV, area (n,) cm^2; notes as of a Spectrum."""

    path: Path
    energy_edges: FloatArray
    area: FloatArray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rmf:
    """Redistribution matrix: a photon of energy bin energy[i] is recorded in channel[i] with probability value[i].

    energy_edges: (n + 1,) keV.
    energy, channel, value: (cells,); channel counts from 0. In a whole response (RSP) value is in cm^2.
    channel_edges: (channels + 1,) keV, nominal. first_channel: the number that spectra give to the first one.
    notes: as of a Spectrum. telescope, instrument: as in the header, '' where there is none.
    """

    path: Path
    energy_edges: FloatArray
    energy: IntArray
    channel: IntArray
    value: FloatArray
    channel_edges: FloatArray
    first_channel: int
    notes: tuple[str, ...] = ()
    telescope: str = ""
    instrument: str = ""

    @property
    def channels(self) -> int:
        """How many channels the detector has."""
        return len(self.channel_edges) - 1


def read_spectrum(path: str | Path) -> Spectrum:
    """Read the first SPECTRUM table of a PHA file; of a type II file the row that `path` ends with, as `obs.pha{3}`.

    Raises InputError: unreadable, no SPECTRUM, a polarisation spectrum, no row chosen of many, no CHANNEL, neither
    COUNTS nor RATE, numbers that are not finite, exposure or scale factors that are not positive.
    """
    path, row = split_row(path)
    with open_tables(path) as tables:
        whole, notes = _only(tables, path, "SPECTRUM", "PHA spectrum")
        table, row = chosen(whole, row)
        _refuse_stokes(table)
        exposure = _exposure(table)
        counts, error = _counts(table, exposure)
        return Spectrum(
            path=path,
            row=row,
            channel=table.integers("CHANNEL"),
            counts=counts,
            error=error,
            systematic=table.finite("SYS_ERR", 0.0),
            quality=_quality(table),
            grouping=table.integers("GROUPING", 0),
            backscal=table.positive("BACKSCAL"),
            areascal=table.positive("AREASCAL"),
            exposure=exposure,
            channels=int(table.number("DETCHANS", len(table))),
            net=table.text("HDUCLAS2").upper() == "NET",
            telescope=table.text("TELESCOP"),
            instrument=table.text("INSTRUME"),
            respfile=table.text("RESPFILE"),
            ancrfile=table.text("ANCRFILE"),
            backfile=table.text("BACKFILE"),
            mjd=middle(table.header),
            notes=(*notes, *caveats(table)),
        )


def read_arf(path: str | Path) -> Arf:
    """Read the SPECRESP table of an ARF. Raises InputError: unreadable, none in it, energies or areas not usable."""
    path = Path(path)
    with open_tables(path) as tables:
        table, notes = _only(tables, path, "SPECRESP", "effective area file (ARF)")
        area = table.finite("SPECRESP")
        if np.any(area < 0):
            raise InputError(f"{path}: negative effective areas; make the ARF again")
        edges, order = energies(table)
        return Arf(path, edges, area[order], notes + table.notes + unit_caveats(table))


def read_rmf(path: str | Path) -> Rmf:
    """Read the MATRIX (or SPECRESP MATRIX) and EBOUNDS of an RMF or RSP.

    Raises InputError: unreadable, no matrix, channels outside the detector's, groups longer than their matrix row.
    """
    path = Path(path)
    with open_tables(path) as tables:
        name = "MATRIX" if "MATRIX" in tables else "SPECRESP MATRIX"
        table, notes = _only(tables, path, name, "redistribution matrix (RMF or RSP)")
        bounds, _ = _only(tables, path, "EBOUNDS", "redistribution matrix (RMF or RSP)")
        first = first_channel(table, bounds)
        energy, channel, value = cells(table)
        channel = channel - first
        if len(channel) == 0 or channel.min() < 0 or channel.max() >= len(bounds):
            found = f"channels {channel.min()}..{channel.max()} from the first" if len(channel) else "no channel at all"
            raise InputError(f"{path}: the matrix fills {found}, EBOUNDS has {len(bounds)}; correct TLMIN of F_CHAN")
        edges, order = energies(table)
        notes += table.notes + bounds.notes + unit_caveats(table) + unit_caveats(bounds)
        notes += empty_caveat(path.name, energy, value)
        mission = (bounds.text("TELESCOP"), bounds.text("INSTRUME"))
        return Rmf(path, edges, order[energy], channel, value, channel_edges(bounds), first, notes, *mission)


def _only(tables: dict[str, list[Table]], path: Path, name: str, what: str) -> tuple[Table, tuple[str, ...]]:
    """The first table of that name, and a note where there are more."""
    found = tables.get(name, [])
    if not found:
        held = ", ".join(tables) or "no table, as an image does"
        first = " that was extracted from these events" if "EVENTS" in tables else ""
        raise InputError(f"{path}: no {name} table (it holds {held}); give a {what}{first}")
    if not 0 < len(found[0]) <= LARGEST_TABLE:
        raise InputError(f"{path}: the {name} table has {len(found[0])} rows; give a {what}")
    return found[0], (f"{path.name} holds {len(found)} {name} tables; the first was read",) if len(found) > 1 else ()


def _refuse_stokes(table: Table) -> None:
    """Raise InputError for the Stokes parameters Q and U, which a polarimeter's files number 1 and 2 in an XFLTnnnn."""
    for keyword in filter(lambda name: name.startswith("XFLT"), table.header):
        stokes = re.fullmatch(r"\s*stokes\s*:\s*(\d+)\s*", table.text(keyword), re.IGNORECASE)
        if stokes and stokes[1] != "0":
            found = f"{keyword} = {table.text(keyword)!r}"
            raise InputError(f"{table.path}: {found}, a polarisation spectrum (Stokes Q or U); give Stokes I")


def _exposure(table: Table) -> float:
    """Seconds. Raises InputError unless finite and positive."""
    if "EXPOSURE" not in table.header:
        raise InputError(f"{table.path}: no EXPOSURE keyword; write the exposure in seconds into its header")
    exposure = table.number("EXPOSURE", np.nan)
    if not 0 < exposure <= LARGEST_NUMBER:
        raise InputError(f"{table.path}: EXPOSURE = {exposure:g} s is not a positive time; correct its header")
    return exposure


def _quality(table: Table) -> IntArray:
    """(entries,) Raises InputError for what no QUALITY is, as a GROUPING under its name."""
    quality = table.integers("QUALITY", 0)
    if quality.min() < 0 or quality.max() > WORST_QUALITY:
        found = f"{quality.min()}..{quality.max()}"
        raise InputError(f"{table.path}: QUALITY of {found}, 0..5 in the standard; write the file again")
    return quality


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
