"""Type I PHA files (OGIP/92-007) out: one COUNTS row a channel, with the keywords that XSPEC and others need."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.atomic import write_atomically
from xspecnf.ogip import Spectrum

Columns = dict[str, NDArray]


@dataclass(frozen=True)
class Header:
    """What a spectrum's header says beside its numbers.

    Attributes:
        telescope, instrument: TELESCOP and INSTRUME.
        respfile, ancrfile, backfile: the files that the spectrum belongs to; "none" where there is none.
        history: lines on how it was made.
    """

    telescope: str
    instrument: str
    respfile: str = "none"
    ancrfile: str = "none"
    backfile: str = "none"
    history: tuple[str, ...] = ()


def write_spectrum(
    path: Path, counts: NDArray[np.int64], exposure: float, first_channel: int, header: Header, systematic: float = 0.0
) -> None:
    """Write Poisson counts (channels,) over `exposure` seconds, with their fractional `systematic` error."""
    small = counts.max(initial=0) <= np.iinfo(np.int32).max  # as every program expects them
    columns: Columns = {"COUNTS": counts.astype(np.int32 if small else np.int64)}
    if systematic:
        columns["SYS_ERR"] = np.full(len(counts), systematic)
    keywords = {"POISSERR": True, "HDUCLAS2": "TOTAL"}
    _write(path, first_channel + np.arange(len(counts)), columns, exposure, header, keywords)


def write_background(path: Path, background: Spectrum, header: Header) -> None:
    """Write a copy of a background spectrum: its counts, their stated errors or Poisson's and systematic ones, its
    scale factors.
    """
    columns: Columns = {"COUNTS": background.counts}
    if background.error is not None:
        columns["STAT_ERR"] = background.error
    if background.systematic.any():
        columns["SYS_ERR"] = background.systematic
    columns["BACKSCAL"] = np.broadcast_to(background.backscal, background.counts.shape)
    columns["AREASCAL"] = np.broadcast_to(background.areascal, background.counts.shape)
    keywords = {"POISSERR": background.error is None, "HDUCLAS2": "BKG"}
    _write(path, background.channel, columns, background.exposure, header, keywords)


def _write(
    path: Path,
    channel: NDArray[np.int64],
    columns: Columns,
    exposure: float,
    header: Header,
    keywords: dict[str, bool | str],
) -> None:
    from astropy.io import fits

    formats = {"i4": "J", "i8": "K", "f8": "D"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column("CHANNEL", "J", array=channel)]
        + [fits.Column(name, formats[values.dtype.str[1:]], array=values) for name, values in columns.items()],
        name="SPECTRUM",
    )
    table.header.update(_keywords(exposure, header, channel, columns) | keywords)
    for line in header.history:
        table.header.add_history(line)
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    write_atomically(path, content.getvalue())


def _keywords(
    exposure: float, header: Header, channel: NDArray[np.int64], columns: Columns
) -> dict[str, str | float | int]:
    defaults = {"BACKSCAL": 1.0, "AREASCAL": 1.0, "SYS_ERR": 0, "QUALITY": 0, "GROUPING": 0}
    return {
        "TELESCOP": header.telescope,
        "INSTRUME": header.instrument,
        "FILTER": "none",
        "EXPOSURE": exposure,
        "CORRSCAL": 1.0,
        "CORRFILE": "none",
        "RESPFILE": header.respfile,
        "ANCRFILE": header.ancrfile,
        "BACKFILE": header.backfile,
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS3": "COUNT",
        "HDUCLAS4": "TYPE:I",
        "HDUVERS": "1.2.1",
        "PHAVERSN": "1992a",
        "CHANTYPE": "PI",
        "DETCHANS": len(channel),
        "TLMIN1": int(channel.min()),
        "TLMAX1": int(channel.max()),
        "CREATOR": "xspecnf",
    } | {name: value for name, value in defaults.items() if name not in columns}
