"""Tables of FITS files as plain numpy arrays, with every way of being damaged turned into one InputError.

A quantity of an OGIP file may be a column or, when it is the same for every row, a keyword; `Table` reads either.
"""

import gzip
import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.errors import InputError
from xspecnf.grid import FloatArray, IntArray

BLOCK = 2880  # bytes; every complete FITS file is a whole number of blocks
_warning_filters = threading.Lock()  # they are the process's: two threads that both change them leave them changed


class Table:
    """One binary table: columns and keywords by name, checked as they are read; of a table that nobody asks for the
    header alone is parsed.
    """

    def __init__(self, path: Path, hdu: Any) -> None:
        self.path = path
        self.header = hdu.header
        self._hdu = hdu

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name.upper(): i for i, name in enumerate(self._hdu.columns.names)}

    def __contains__(self, column: str) -> bool:
        return column in self._index

    def __len__(self) -> int:
        return int(self.header["NAXIS2"])

    def column(self, name: str) -> NDArray[Any]:
        """A column as stored. Raises InputError when there is none."""
        if name not in self:
            raise InputError(f"{self.path}: no {name} column (it has {', '.join(self._index)}); write the file again")
        return np.asarray(self._hdu.data.field(self._index[name]))

    def finite(self, name: str, default: float | None = None) -> FloatArray:
        """(rows,) the column, else the keyword, else the default. Raises InputError when a number is not finite."""
        if name in self or default is None:
            values = self.column(name)
        else:
            values = np.full(len(self), self.number(name, default))
        if values.ndim != 1:
            raise InputError(f"{self.path}: {name} holds {values.shape[1:]} values a row, one expected")
        values = values.astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(f"{self.path}: {name} is not finite in {len(bad)} rows, first {bad[0]}; extract it again")
        return values

    def positive(self, name: str) -> FloatArray:
        """(rows,) like `finite`, 1 by default. Raises InputError for zero or less."""
        values = self.finite(name, 1.0)
        if np.any(values <= 0):
            raise InputError(f"{self.path}: {name} = {values.min():g} is not positive; correct the file")
        return values

    def integers(self, name: str, default: int | None = None) -> IntArray:
        """(rows,) like `finite`, as whole numbers."""
        return np.rint(self.finite(name, default)).astype(np.int64)

    def number(self, keyword: str, default: float) -> float:
        """A keyword's number. Raises InputError when it is something else."""
        value = self.header.get(keyword, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InputError(f"{self.path}: {keyword} = {value!r} is not a number; correct the header") from None

    def text(self, keyword: str) -> str:
        """A keyword's text without surrounding blanks, '' when it is absent."""
        value = self.header.get(keyword)
        return str(value).strip() if isinstance(value, str | int | float) else ""

    def flag(self, keyword: str) -> bool:
        """A keyword's truth, False when it is absent; some writers quote it."""
        return str(self.header.get(keyword, False)).strip().upper() in ("T", "TRUE", "1")

    def column_keyword(self, prefix: str, column: str) -> int | None:
        """A keyword that belongs to a column, as TLMINn does; None when it is absent."""
        value = self.header.get(f"{prefix}{self._index[column] + 1}") if column in self else None
        return None if value is None else int(value)


@contextmanager
def open_tables(path: Path) -> Iterator[dict[str, list[Table]]]:
    """The file's binary tables by upper-case name, in the file's order.

    Raises InputError for a missing, empty, truncated or otherwise unreadable file, also when the damage shows only
    inside the `with` block.
    """
    from astropy.io import fits

    content = _content(path)
    with _warning_filters, warnings.catch_warnings():
        # Real files bend the standard in harmless ways (units, cards); harmful ones fail in the reading itself.
        warnings.simplefilter("ignore")
        try:
            with fits.open(io.BytesIO(content), memmap=False) as hdus:
                tables: dict[str, list[Table]] = {}
                for hdu in hdus:
                    if isinstance(hdu, fits.BinTableHDU):
                        tables.setdefault(hdu.name.strip().upper(), []).append(Table(path, hdu))
                if not tables and len(content) % BLOCK:
                    raise InputError(f"{path}: truncated after {len(content)} bytes; download or extract it again")
                yield tables
        except InputError:
            raise
        except Exception as error:  # astropy answers damage with nearly every built-in exception
            raise InputError(
                f"{path}: damaged or truncated FITS file ({_one_line(error)}); extract it again"
            ) from error


def _content(path: Path) -> bytes:
    """The file's bytes, gunzipped. Raises InputError unless they begin as FITS does."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({_one_line(error)}); check the file or download it again") from error
    if not content:
        raise InputError(f"{path}: the file is empty; extract or download it again")
    if not content.startswith(b"SIMPLE  ="):
        raise InputError(f"{path}: not a FITS file (it begins with {content[:12]!r}); give a FITS file")
    return content


def _one_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
