"""Factories of small OGIP files, written with astropy alone so that the reader is not tested against itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

CHANNELS = 1501
UNITS = {**dict.fromkeys(("ENERG_LO", "ENERG_HI", "E_MIN", "E_MAX"), "keV"), "SPECRESP": "cm**2"}


@pytest.fixture
def write_pha(tmp_path: Path) -> Callable[..., Path]:
    """write_pha(name, columns={name: values}, KEYWORD=value) -> path of a PHA file, NICER's by default."""

    def write(name: str = "source.pha", columns: dict[str, Any] | None = None, **header: Any) -> Path:
        columns = {"CHANNEL": np.arange(CHANNELS), "COUNTS": np.ones(CHANNELS, int), **(columns or {})}
        table = fits.BinTableHDU.from_columns(
            [_column(key, np.asarray(values)) for key, values in columns.items() if values is not None]
        )
        table.header["EXTNAME"] = "SPECTRUM"
        defaults = {"TELESCOP": "NICER", "INSTRUME": "XTI", "EXPOSURE": 100.0, "DETCHANS": CHANNELS, "POISSERR": True}
        stated = {"BACKSCAL": 1.0, "AREASCAL": 1.0, "SYS_ERR": 0.0, "QUALITY": 0}
        defaults |= {name: value for name, value in stated.items() if name not in columns}
        for key, value in (defaults | header).items():
            if value is not None:
                table.header[key] = value
        path = tmp_path / name
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
        return path

    return write


@pytest.fixture
def write_arf(tmp_path: Path) -> Callable[..., Path]:
    """write_arf(name, edges, area) -> path of an ARF."""

    def write(name: str, edges: np.ndarray, area: np.ndarray) -> Path:
        columns = {"ENERG_LO": edges[:-1], "ENERG_HI": edges[1:], "SPECRESP": area}
        table = fits.BinTableHDU.from_columns(
            [_column(key, values) for key, values in columns.items()], name="SPECRESP"
        )
        path = tmp_path / name
        table.writeto(path)
        return path

    return write


@pytest.fixture
def write_rmf(tmp_path: Path) -> Callable[..., Path]:
    """write_rmf(name, edges, dense, layout, tlmin, first, extname) -> path of an RMF.

    edges: (n + 1,) keV. dense: (n, channels), the matrix.
    layout: "scalar" (one group a row), "vector" (padded) or "variable" (variable-length arrays).
    tlmin: of F_CHAN, None to leave it out. first: the number of the first channel.
    """

    def write(
        name: str,
        edges: np.ndarray,
        dense: np.ndarray,
        layout: str = "variable",
        tlmin: int | None = 0,
        first: int = 0,
        extname: str = "MATRIX",
    ) -> Path:
        rows = [_groups(row, split=layout != "scalar") for row in dense]
        f_chan, n_chan = (
            [[start + first for start, _ in row] for row in rows],
            [[stop - start for start, stop in row] for row in rows],
        )
        values = [
            np.concatenate([row[a:b] for a, b in groups] or [[]]) for row, groups in zip(dense, rows, strict=True)
        ]
        width = max(len(row) for row in rows)
        columns = [
            _column("ENERG_LO", edges[:-1]),
            _column("ENERG_HI", edges[1:]),
            _column("N_GRP", np.array([len(row) for row in rows])),
            *_ragged_columns({"F_CHAN": f_chan, "N_CHAN": n_chan}, "J", layout, width),
            *_ragged_columns({"MATRIX": values}, "D", "vector" if layout == "scalar" else layout, dense.shape[1]),
        ]
        matrix = fits.BinTableHDU.from_columns(columns, name=extname)
        if tlmin is not None:
            matrix.header["TLMIN4"] = tlmin
        channel = np.arange(dense.shape[1])
        bounds = {"CHANNEL": channel + first, "E_MIN": 0.01 * channel, "E_MAX": 0.01 * (channel + 1)}
        ebounds = fits.BinTableHDU.from_columns([_column(k, v) for k, v in bounds.items()], name="EBOUNDS")
        path = tmp_path / name
        fits.HDUList([fits.PrimaryHDU(), matrix, ebounds]).writeto(path)
        return path

    return write


def _column(name: str, values: np.ndarray) -> fits.Column:
    kind = "J" if values.dtype.kind in "iub" else "D"
    shape = f"{values.shape[1]}{kind}" if values.ndim > 1 else kind
    return fits.Column(name=name, format=shape, array=values, unit=UNITS.get(name))


def _groups(row: np.ndarray, split: bool) -> list[tuple[int, int]]:
    """Runs of channels that are not zero, [start, stop); one run over all of them unless `split`."""
    used = np.flatnonzero(row)
    if len(used) == 0:
        return []
    if not split:
        return [(int(used[0]), int(used[-1]) + 1)]
    runs = np.split(used, np.flatnonzero(np.diff(used) > 1) + 1)
    return [(int(run[0]), int(run[-1]) + 1) for run in runs]


def _ragged_columns(columns: dict[str, list], kind: str, layout: str, width: int) -> list[fits.Column]:
    """Columns of rows of unequal length in one of the layouts."""
    dtype = np.int32 if kind == "J" else np.float64
    if layout == "variable":
        arrays = {
            name: np.array([np.asarray(row, dtype) for row in rows] + [None], dtype=object)[:-1]
            for name, rows in columns.items()
        }
        return [fits.Column(name=name, format=f"P{kind}()", array=rows) for name, rows in arrays.items()]
    padded = {
        name: np.array([[*row, *[0] * (width - len(row))] for row in rows], dtype) for name, rows in columns.items()
    }
    if layout == "scalar":
        return [fits.Column(name=name, format=kind, array=rows[:, 0]) for name, rows in padded.items()]
    return [fits.Column(name=name, format=f"{width}{kind}", array=rows) for name, rows in padded.items()]
