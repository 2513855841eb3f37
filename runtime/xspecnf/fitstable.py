"""Tables of FITS files as plain numpy arrays, with every way of being damaged turned into one InputError.

A quantity of an OGIP file may be a column or, when it is the same for every row, a keyword; `Table` reads either.
"""

import io
import threading
import warnings
from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.errors import InputError
from xspecnf.fitsfile import BLOCK, changed, content, one_line
from xspecnf.grid import BoolArray, FloatArray, IntArray

_warning_filters = threading.Lock()  # they are the process's: two threads that both change them leave them changed

LARGEST_NUMBER = 1e18
"""Of whatever unit: no count, time, area or energy comes near, and its square is still a number in single precision."""

LARGEST_WHOLE = 2**53  # beyond it a float64 no longer tells neighbouring whole numbers apart


class Table:
    """One binary table: columns and keywords by name, checked as they are read; of a table that nobody asks for the
    header alone is parsed.

    place: of the HDU in its file; the primary is 0.
    """

    def __init__(self, path: Path, hdu: Any, file: bytes, place: int = 1) -> None:
        self.path = path
        self.header = hdu.header
        self.place = place
        self._hdu = hdu
        self._file = file

    @property
    def name(self) -> str:
        """EXTNAME in upper case, '' where there is none."""
        return str(self._hdu.name).strip().upper()

    @property
    def version(self) -> int | None:
        """EXTVER, None where the header does not state it."""
        return int(self.number("EXTVER", 1)) if "EXTVER" in self.header else None

    @cached_property
    def _index(self) -> dict[str, int]:
        names = [name.strip().upper() for name in self._hdu.columns.names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"{self.path}: two columns are called {twice[0]}; write the file again")
        return {name: i for i, name in enumerate(names)}

    def __contains__(self, column: str) -> bool:
        return column in self._index

    def __len__(self) -> int:
        return int(self.header["NAXIS2"])

    @property
    def notes(self) -> tuple[str, ...]:
        """That the table is not what its sums were written for, which many tools that edit a file leave behind."""
        what = changed(self._file, self._hdu)
        name = f"{self.path.name}: the {what} of its {self._hdu.name} table"
        sums = {"data": "are not those of its DATASUM", "header": "is not that of its CHECKSUM"}
        return (f"{name} {sums[what]}: edited since, or damaged",) if what else ()

    def column(self, name: str) -> NDArray[Any]:
        """A column as stored. Raises InputError when there is none."""
        if name not in self:
            raise InputError(f"{self.path}: no {name} column (it has {', '.join(self._index)}); write the file again")
        return np.asarray(self._hdu.data.field(self._index[name]))

    def numbers(self, name: str, default: float | None = None) -> FloatArray:
        """(rows,) the column, else the keyword, else the default; NaN where the column's null value stands.

        Raises InputError for a column of several values a row, or of no numbers.
        """
        if name in self or default is None:
            values = self.column(name)
        else:
            values = np.full(len(self), self.number(name, default))
        if values.ndim != 1:
            raise InputError(f"{self.path}: {name} holds {values.shape[1:]} values a row, one expected")
        if values.dtype.kind not in "iuf":
            raise InputError(f"{self.path}: {name} holds no real numbers; write the file again")
        return np.where(self.undefined(name, values), np.nan, values.astype(np.float64))

    def finite(self, name: str, default: float | None = None, without: BoolArray | None = None) -> FloatArray:
        """(rows,) like `numbers`; the default where `without` (rows,) says that the row is not used.

        Raises InputError where a number that is used is undefined, not finite or too large.
        """
        values = self.numbers(name, default)
        if without is not None:
            values[without] = default or 0.0
        bad = np.flatnonzero(~(np.abs(values) <= LARGEST_NUMBER))
        if len(bad):
            undefined = name in self and bool(self.undefined(name, self.column(name))[bad[0]])
            found = "undefined (TNULL)" if undefined else f"{values[bad[0]]:g}"
            fault = f"{name} is {found} in row {bad[0]}, not finite or too large in {len(bad)} rows"
            raise InputError(f"{self.path}: {fault}; extract it again")
        return values

    def undefined(self, name: str, values: NDArray[Any]) -> BoolArray:
        """Which values of a column are its null value, TNULLn, which stands for no number; of the shape of `values`."""
        null = self._hdu.columns[self._index[name]].null if name in self else None
        if not isinstance(null, int):  # a null of a column of floats means nothing: NaN is theirs
            return np.zeros(values.shape, bool)
        column = self._hdu.columns[self._index[name]]
        scale, zero = (1 if column.bscale in (None, "") else column.bscale), column.bzero or 0
        return values == null * scale + zero

    def integers(self, name: str, default: int | None = None) -> IntArray:
        """(rows,) like `finite`, as integers. Raises InputError also for numbers that are not whole."""
        values = self.finite(name, default)
        if np.any(values != np.rint(values)) or np.any(np.abs(values) > LARGEST_WHOLE):
            raise InputError(f"{self.path}: {name} holds numbers that are not whole; write the file again")
        return values.astype(np.int64)

    def number(self, keyword: str, default: float) -> float:
        """A keyword's number. Raises InputError when it is something else."""
        value = self.header.get(keyword, default)
        try:
            if isinstance(value, bool):  # which Python counts as a number
                raise TypeError
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

    def unit(self, column: str) -> str:
        """TUNITn of a column, '' where there is none."""
        return self.text(f"TUNIT{self._index[column] + 1}")

    def column_keyword(self, prefix: str, column: str) -> int | None:
        """A keyword that belongs to a column, as TLMINn does; None when it is absent."""
        keyword = f"{prefix}{self._index[column] + 1}" if column in self else ""
        return int(self.number(keyword, 0)) if keyword in self.header else None

    def states(self, name: str) -> bool:
        """Whether the file says it at all, as a column or as a keyword."""
        return name in self or name in self.header


class Row(Table):
    """One row of a table as a table of its own: its vectors are the columns, its scalars go before the keywords."""

    def __init__(self, table: Table, row: int) -> None:
        super().__init__(table.path, table._hdu, table._file, table.place)
        self._values = {name: table.column(name)[row] for name in table._index}
        self.header = ChainMap({k: _plain(v) for k, v in self._values.items() if np.ndim(v) == 0}, table.header)

    def __contains__(self, column: str) -> bool:
        return np.ndim(self._values.get(column, 0)) > 0

    def __len__(self) -> int:
        return max((len(values) for values in self._values.values() if np.ndim(values)), default=0)

    def column(self, name: str) -> NDArray[Any]:
        """The row's vector in a column. Raises InputError unless it has one entry a channel."""
        if name not in self:
            raise InputError(f"{self.path}: no {name} vector in the row; write the file again")
        values = np.asarray(self._values[name])
        if len(values) != len(self):
            raise InputError(f"{self.path}: {len(values)} values of {name}, {len(self)} channels; write the file again")
        return values


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python object that a keyword would be."""
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def open_tables(path: Path) -> Iterator[list[Table]]:
    """The file's binary tables, in the file's order.

    Raises InputError for a missing, empty, truncated or otherwise unreadable file, also when the damage shows only
    inside the `with` block.
    """
    from astropy.io import fits

    file = content(path)
    with _warning_filters, warnings.catch_warnings():
        # Real files bend the standard in harmless ways (units, cards); harmful ones fail in the reading itself.
        warnings.simplefilter("ignore")
        try:
            with fits.open(io.BytesIO(file), memmap=False) as hdus:
                numbered = enumerate(_extensions(hdus, file))
                tables = [Table(path, hdu, file, n) for n, hdu in numbered if isinstance(hdu, fits.BinTableHDU)]
                if not tables and len(file) % BLOCK:
                    raise InputError(f"{path}: truncated after {len(file)} bytes; download or extract it again")
                yield tables
        except InputError:
            raise
        except Exception as error:  # astropy answers damage with nearly every built-in exception
            raise InputError(f"{path}: damaged or truncated FITS file ({one_line(error)}); extract it again") from error


def _extensions(hdus: Any, file: bytes) -> Iterator[Any]:
    """The HDUs as far as each follows the one before: in what else lies behind, astropy seeks a header for seconds,
    and from one of negative size it goes back, for ever."""
    for number in count():
        yield hdus[number]
        place = hdus[number].fileinfo()
        if place["datSpan"] < 0:
            raise ValueError(f"HDU {number} of negative size")
        if not file.startswith(b"XTENSION", place["datLoc"] + place["datSpan"]):
            return
