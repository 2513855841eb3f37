"""A catalogue: the results of a batch in one table, one row a file, as ECSV, FITS or Parquet.

While the batch runs, every row is appended to a journal beside the table, one JSON object a line, which the disk has
before the next file begins. When the batch ends, by whatever way Python sees, the table is written whole and the
journal goes. A batch that was killed leaves the journal: opened again, the catalogue knows the rows of both.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from xspecnf.atomic import atomically, write_atomically
from xspecnf.errors import InputError
from xspecnf.extras import require
from xspecnf.formats.columns import Row, columns

if TYPE_CHECKING:
    from astropy.table import Table

    from xspecnf.parameters import Parameter

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet"}


def check_suffix(path: Path) -> None:
    """Raise ValueError where no table has the suffix of `path`, MissingExtraError where its package is missing."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: no table has the suffix {path.suffix!r}; use one of {', '.join(FORMATS)}")
    if suffix == ".parquet":
        require("pyarrow", "parquet", "Parquet")


class Catalogue:
    """A table that grows row by row; use it as a context manager.

    Args:
        path: the table; rows that it or its journal holds already are kept.
        parameters: of the model, in theta's order.
        settings: how every row is made, in words; a file is looked up among rows of the same settings only.

    Raises:
        ValueError: a suffix that no table has.
        InputError: a table or journal that is none, or whose rows were made with other settings.
        MissingExtraError: Parquet without its package.
    """

    def __init__(self, path: Path, parameters: Sequence[Parameter], settings: str) -> None:
        check_suffix(path)
        self.path = path
        self.settings = settings
        self._columns = columns(parameters)
        self._rows = self._of_table() | self._of_journal()
        self._refuse_other_settings()
        self._stream: IO[str] | None = None

    @property
    def journal(self) -> Path:
        """The file that holds the rows of a batch under way."""
        return self.path.with_name(self.path.name + ".journal")

    @property
    def rows(self) -> dict[str, Row]:
        """The rows by file, in the order of their first appearance."""
        return dict(self._rows)

    def __contains__(self, file: object) -> bool:
        """Whether `file` is done; one that failed is not."""
        row = self._rows.get(str(file))
        return row is not None and not row["error"]

    def __enter__(self) -> Self:
        # Anew, as the last line of an old journal may be torn.
        write_atomically(self.journal, "".join(_line(row) for row in self._rows.values()))
        self._stream = open(self.journal, "a", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if self._stream is not None:
            self._stream.close()
        self._write()
        self.journal.unlink()

    def append(self, row: Row) -> None:
        """Add a file's row, in place of one that it has already; it is on the disk when this returns."""
        if self._stream is None:
            raise ValueError("a catalogue is written to inside its `with` block")
        row = {"settings": self.settings, **row}
        self._rows[row["file"]] = row
        self._stream.write(_line(row))
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def table(self) -> Table:
        """The rows in the order of their first appearance, with units and descriptions."""
        from astropy.table import Column, Table

        return Table(
            [
                Column(
                    [row.get(c.name, c.missing) for row in self._rows.values()],
                    c.name,
                    c.dtype,
                    unit=c.unit or None,
                    description=c.description,
                )
                for c in self._columns
            ]
        )

    def _write(self) -> None:
        table, suffix = self.table(), self.path.suffix.lower()
        if suffix == ".fits":
            table.convert_unicode_to_bytestring()  # names of files beyond ASCII as UTF-8, which astropy refuses to do
        with atomically(self.path) as part:
            table.write(part, format=FORMATS[suffix])

    def _of_table(self) -> dict[str, Row]:
        if not self.path.exists():
            return {}
        from astropy.table import Table

        suffix = self.path.suffix.lower()
        options = {"mask_invalid": False, "hdu": 1} if suffix == ".fits" else {}
        try:
            table = Table.read(self.path, format=FORMATS[suffix], **options)
            rows = [{name: _plain(row[name]) for name in table.colnames} for row in table]
            return {row["file"]: row for row in rows}
        except Exception as error:  # each of the three readers has errors of its own
            raise InputError(f"{self.path}: not a table that xspecnf wrote ({error}); give another --table") from error

    def _of_journal(self) -> dict[str, Row]:
        if not self.journal.exists():
            return {}
        lines = self.journal.read_text(encoding="utf-8").splitlines(keepends=True)
        try:
            rows = [json.loads(line) for line in lines if line.endswith("\n")]  # a torn last line was never a row
            return {row["file"]: row for row in rows}
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.journal}: not a journal of xspecnf ({error}); remove it") from error

    def _refuse_other_settings(self) -> None:
        for row in self._rows.values():
            if row.get("settings") != self.settings:
                raise InputError(
                    f"{self.path}: its rows were made with {row.get('settings')!r}, not with {self.settings!r}; "
                    "give another --table, or remove this one"
                )


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row) + "\n"


def _plain(value: Any) -> Any:
    """A cell of astropy's as a str, int or float; a masked one is an empty text or NaN."""
    value = value.item() if hasattr(value, "item") else value
    return value.decode() if isinstance(value, bytes) else math.nan if value is None else value
