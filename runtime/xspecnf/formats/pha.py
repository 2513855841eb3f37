"""Type I PHA files (OGIP/92-007) out: one COUNTS row a channel, with the keywords that XSPEC and others need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.ogip import Spectrum


@dataclass(frozen=True)
class Links:
    """The files that a spectrum belongs to, as its header names them; "none" where there is none."""

    respfile: str = "none"
    ancrfile: str = "none"
    backfile: str = "none"


def write_spectrum(path: Path, counts: NDArray[np.int64], exposure: float, first_channel: int, links: Links) -> None:
    """Write Poisson counts (channels,) over `exposure` seconds as a NICER spectrum."""
    channel = first_channel + np.arange(len(counts))
    _write(path, channel, {"COUNTS": counts.astype(np.int32)}, exposure, links, {"POISSERR": True})


def write_background(path: Path, background: Spectrum) -> None:
    """Write a copy of a background spectrum: its counts, their stated errors or Poisson's, its scale factors."""
    columns = {"COUNTS": background.counts}
    if background.error is not None:
        columns["STAT_ERR"] = background.error
    columns["BACKSCAL"] = np.broadcast_to(background.backscal, background.counts.shape)
    columns["AREASCAL"] = np.broadcast_to(background.areascal, background.counts.shape)
    keywords = {"POISSERR": background.error is None}
    _write(path, background.channel, columns, background.exposure, Links(), keywords)


def _write(
    path: Path,
    channel: NDArray[np.int64],
    columns: dict[str, NDArray],
    exposure: float,
    links: Links,
    keywords: dict[str, bool],
) -> None:
    from astropy.io import fits

    formats = {"i": "J", "f": "D"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column("CHANNEL", "J", array=channel)]
        + [fits.Column(name, formats[values.dtype.kind], array=values) for name, values in columns.items()],
        name="SPECTRUM",
    )
    table.header.update(_keywords(exposure, links, len(channel), columns) | keywords)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def _keywords(
    exposure: float, links: Links, channels: int, columns: dict[str, NDArray]
) -> dict[str, str | float | int]:
    defaults = {"BACKSCAL": 1.0, "AREASCAL": 1.0, "SYS_ERR": 0, "QUALITY": 0, "GROUPING": 0}
    return {
        "TELESCOP": "NICER",
        "INSTRUME": "XTI",
        "FILTER": "none",
        "EXPOSURE": exposure,
        "CORRSCAL": 1.0,
        "CORRFILE": "none",
        "RESPFILE": links.respfile,
        "ANCRFILE": links.ancrfile,
        "BACKFILE": links.backfile,
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "SPECTRUM",
        "HDUVERS": "1.2.1",
        "CHANTYPE": "PI",
        "DETCHANS": channels,
    } | {name: value for name, value in defaults.items() if name not in columns}
