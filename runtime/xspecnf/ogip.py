"""OGIP spectral files (OGIP/92-007, CAL/GEN/92-002) as plain arrays: PHA spectra, ARFs and RMFs, gzipped or not.

What a file leaves out takes the standard's default; what cannot be a spectrum or a response raises InputError.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xspecnf.caveats import caveats, empty_caveat, unit_caveats, void_caveats
from xspecnf.counts import counts_of, no_value
from xspecnf.dates import middle
from xspecnf.edges import Numbering, channels_of, energies
from xspecnf.errors import InputError
from xspecnf.extensions import EBOUNDS, MATRIX, SPECRESP, SPECTRUM, find, find_first
from xspecnf.fitstable import LARGEST_NUMBER, Table, open_tables
from xspecnf.grid import BoolArray, FloatArray, IntArray
from xspecnf.matrix import added, matrix_of
from xspecnf.rows import chosen, row_numbers, split_extension, split_row

WORST_QUALITY = 9
"""The standard defines 0 to 5 and reserves a few more."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One spectrum as its file has it; every array is per entry of the file, (entries,).

    path: the file. name: the same as it was asked for, with an extension or row behind it, without folders.
    channel: channel numbers.
    counts: over `exposure`, also where the file has a RATE. error: their standard deviations, None where the file
    asks for Poisson errors or states none.
    systematic: fractional. quality: 0 is good. grouping: 1 starts a bin, -1 goes on with it, 0 is no grouping.
    void: True for channels without a value, whatever their quality: undefined counts, or no area.
    backscal, areascal: scale factors; 1 in void channels.
    exposure: s. channels: of the detector (DETCHANS). lowest: TLMIN of CHANNEL, None where it is not stated.
    net: whether the background was subtracted. background: whether it says that it is one itself.
    respfile, ancrfile, backfile, corrfile: as in the header, '' where there is none. corrscal: of the correction.
    mjd: middle of the observation, days of the file's time system, NaN where the file does not tell.
    notes: what a user should know about the reading.
    """

    path: Path
    name: str
    channel: IntArray
    counts: FloatArray
    error: FloatArray | None
    systematic: FloatArray
    quality: IntArray
    grouping: IntArray
    void: BoolArray
    backscal: FloatArray
    areascal: FloatArray
    exposure: float
    channels: int
    lowest: int | None
    net: bool
    background: bool
    telescope: str
    instrument: str
    respfile: str
    ancrfile: str
    backfile: str
    corrfile: str
    corrscal: float
    mjd: float
    notes: tuple[str, ...]

    @property
    def first_channel(self) -> int | None:
        """The number of the detector's first channel; None where the file does not tell."""
        return int(self.channel.min()) if len(self.channel) == self.channels else self.lowest

    @property
    def variance(self) -> FloatArray:
        """(entries,) of the counts: the stated or Poisson's, and the systematic error's, each channel by itself."""
        statistical = np.maximum(self.counts, 0.0) if self.error is None else self.error**2
        return statistical + (self.systematic * self.counts) ** 2


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
    energy, channel, value: (cells,); channel counts from 0 by rising energy. In a whole response (RSP) value is in
    cm^2; cells of the same place add up.
    channel_edges: (channels + 1,) keV, nominal. numbering: the labels that spectra give to the channels.
    notes: as of a Spectrum. telescope, instrument: as in the header, '' where there is none.
    """

    path: Path
    energy_edges: FloatArray
    energy: IntArray
    channel: IntArray
    value: FloatArray
    channel_edges: FloatArray
    numbering: Numbering
    notes: tuple[str, ...] = ()
    telescope: str = ""
    instrument: str = ""

    @property
    def channels(self) -> int:
        """How many channels the detector has."""
        return len(self.channel_edges) - 1

    @property
    def first_channel(self) -> int:
        """The number that spectra give to the first channel."""
        return self.numbering.first


def read_spectrum(path: str | Path) -> Spectrum:
    """Read the first SPECTRUM table of a PHA file, or the one named behind it, as `obs.pha[2]`.

    Of a type II file `path` ends with the row, as `obs.pha{3}`.

    Raises InputError: unreadable, no SPECTRUM, a polarisation spectrum, no row chosen of many, no CHANNEL, neither
    COUNTS nor RATE or in other units, numbers that are not finite in good channels, exposure or scale factors that are
    not positive.
    """
    name = Path(path).name
    whole, row = split_row(path)
    path, extension = split_extension(whole)
    with open_tables(path) as tables:
        found, notes = find_first(tables, path, SPECTRUM, extension)
        table, row = chosen(found, row)
        _refuse_stokes(table)
        exposure = _exposure(table)
        quality = _quality(table)
        void = no_value(table, quality != 0)
        counts, error = counts_of(table, exposure, void)
        return Spectrum(
            path=path,
            name=_name(name, row),
            channel=table.integers("CHANNEL"),
            counts=counts,
            error=error,
            systematic=table.finite("SYS_ERR", 0.0, void),
            quality=quality,
            grouping=table.integers("GROUPING", 0),
            void=void,
            backscal=_scale(table, "BACKSCAL", void),
            areascal=_scale(table, "AREASCAL", void),
            exposure=exposure,
            channels=int(table.number("DETCHANS", len(table))),
            lowest=table.column_keyword("TLMIN", "CHANNEL"),
            net=table.text("HDUCLAS2").upper() == "NET",
            background=table.text("HDUCLAS2").upper() == "BKG",
            telescope=table.text("TELESCOP"),
            instrument=table.text("INSTRUME"),
            respfile=table.text("RESPFILE"),
            ancrfile=table.text("ANCRFILE"),
            backfile=table.text("BACKFILE"),
            corrfile=table.text("CORRFILE"),
            corrscal=table.number("CORRSCAL", 1.0),
            mjd=middle(table.header),
            notes=(*notes, *caveats(table), *void_caveats(table, void & (quality == 0))),
        )


def rows_in(path: str | Path) -> tuple[int, ...]:
    """The numbers of a file's spectra, () for one that is a single spectrum. Raises InputError as `read_spectrum`."""
    path, extension = split_extension(path)
    with open_tables(path) as tables:
        numbers = row_numbers(find_first(tables, path, SPECTRUM, extension)[0])
    return tuple(numbers.tolist()) if len(numbers) > 1 else ()


def backfiles_in(path: str | Path) -> tuple[str, ...]:
    """The backgrounds that the rows of a type II file name, each once. Raises InputError as `read_spectrum`."""
    path, extension = split_extension(path)
    with open_tables(path) as tables:
        table, _ = find_first(tables, path, SPECTRUM, extension)
        return tuple(dict.fromkeys(str(name).strip() for name in table.column("BACKFILE")))


def read_arf(path: str | Path) -> Arf:
    """Read the SPECRESP table of an ARF, or the one named behind it, as `a.arf[2]`.

    Raises InputError: unreadable, none in it, energies or areas not usable.
    """
    path, extension = split_extension(split_row(path)[0])
    with open_tables(path) as tables:
        table, notes = find_first(tables, path, SPECRESP, extension)
        area = table.finite("SPECRESP")
        if np.any(area < 0):
            raise InputError(f"{path}: negative effective areas; make the ARF again")
        edges, order = energies(table)
        return Arf(path, edges, area[order], notes + table.notes + unit_caveats(table))


def read_rmf(path: str | Path) -> Rmf:
    """Read the MATRIX (or SPECRESP MATRIX) tables and the EBOUNDS of an RMF or RSP; several matrices are added up.

    `file.rmf{2}` or `file.rmf[MATRIX,2]` takes the second matrix alone.

    Raises InputError: unreadable, no matrix, channels outside the detector's or numbered in two ways, groups longer
    than their matrix row.
    """
    whole, number = split_row(path)
    path, extension = split_extension(whole)
    with open_tables(path) as tables:
        found, notes = find(tables, path, MATRIX, extension)
        bounds, bounds_notes = find_first(tables, path, EBOUNDS)
        found, added_notes = _of_several(found, number)
        channels = channels_of(bounds)
        parts = [matrix_of(table, channels) for table in found]
        matrix = added(parts)
        used = [*found, bounds]
        notes += bounds_notes + added_notes
        notes += tuple(note for table in used for note in (*table.notes, *unit_caveats(table)))
        notes += tuple(note for part in parts for note in empty_caveat(path.name, part.energy, part.value))
        mission = (bounds.text("TELESCOP"), bounds.text("INSTRUME"))
        return Rmf(path, *matrix, channels.edges, channels.numbering, notes, *mission)


def _of_several(matrices: list[Table], number: int | None) -> tuple[list[Table], tuple[str, ...]]:
    """All the matrices, or the one of that number, and a note where several are added up."""
    path = matrices[0].path
    if number is not None:
        if not 0 < number <= len(matrices):
            raise InputError(f"{path}: {len(matrices)} matrices, none of them number {number}; choose one of these")
        return [matrices[number - 1]], ()
    return matrices, (f"{path.name}: its {len(matrices)} matrices were added up",) if len(matrices) > 1 else ()


def _name(name: str, row: int | None) -> str:
    """The name with the row that was read, which one of a single row need not say."""
    return name if row is None or name.endswith("}") else f"{name}{{{row}}}"


def _scale(table: Table, name: str, void: BoolArray) -> FloatArray:
    """(entries,) a scale factor, 1 in void channels. Raises InputError for a negative one, or zero in all channels."""
    values = np.nan_to_num(table.numbers(name, 1.0), posinf=1.0)
    if values.min() < 0 or not values.any():
        raise InputError(f"{table.path}: {name} = {values.min():g} is not positive; correct the file")
    return np.where(void, 1.0, table.finite(name, 1.0, void))


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
