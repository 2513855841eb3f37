"""A catalogue: the results of a batch in one table, one row a file, as ECSV, FITS or Parquet.

While the batch runs, every row is appended to a journal beside the table, one JSON object a line, which the disk has
before the next file begins. When the batch ends, by whatever way Python sees, the table is written whole and the
journal goes. A batch that was killed leaves the journal: opened again, the catalogue knows the rows of both. The
journal is also the lock that keeps a second program away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from xspecnf.atomic import atomically
from xspecnf.errors import InputError
from xspecnf.extras import require_all
from xspecnf.formats.cells import Cells
from xspecnf.formats.columns import FILES, Row, columns
from xspecnf.lock import lock
from xspecnf.rows import printable

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
        require_all(("pyarrow", "pyarrow.parquet"), "parquet", "Parquet")


class Catalogue:
    """A table that grows row by row, inside its `with` block and nowhere else.

    Args:
        path: the table; rows that it or its journal holds already are kept.
        parameters: of the model, in theta's order.
        settings: how every row is made, in words; a file is looked up among rows of the same settings only.

    Raises:
        ValueError: a suffix that no table has.
        MissingExtraError: Parquet without its package.
        InputError: when the block begins: a table or journal that is none, whose rows were made with other settings,
            or that another program has open. At any time: the disk takes no more.
    """

    def __init__(self, path: Path, parameters: Sequence[Parameter], settings: str) -> None:
        check_suffix(path)
        self.path = path
        self.settings = settings
        self._columns = columns(parameters)

    @property
    def journal(self) -> Path:
        """The file that holds the rows of a batch under way."""
        return self.path.with_name(self.path.name + ".journal")

    @property
    def rows(self) -> dict[str, Row]:
        """The rows by file, in the order of their first appearance."""
        return {row["file"]: row for row in self._cells}

    def __contains__(self, file: object) -> bool:
        """Whether `file` is done; one that failed is not."""
        return self._cells.cell(printable(str(file)), "error") == ""

    def __enter__(self) -> Self:
        self._stream = _locked(self.journal)
        try:
            self._cells = self._read()
        except BaseException:
            if not self.journal.stat().st_size:
                self.journal.unlink()
            self._stream.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        try:
            self._write()
            self.journal.unlink()
        except OSError as failure:
            raise self._full(failure) from failure
        finally:
            with suppress(OSError):  # of a row that found no room: the table has it
                self._stream.close()

    def append(self, row: Row) -> None:
        """Add a file's row, in place of one that it has already; it is on the disk when this returns."""
        texts = {name: printable(value) for name, value in row.items() if isinstance(value, str)}
        row = {"settings": self.settings, **row, **texts}
        self._cells.put(row)
        try:
            self._stream.write(json.dumps(row).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._full(error) from error

    def table(self) -> Table:
        """The rows in the order of their first appearance, with units and descriptions."""
        from astropy.table import Column, Table

        return Table(
            [
                Column(self._cells.column(c.name), c.name, c.dtype, unit=c.unit or None, description=c.description)
                for c in self._columns
            ]
        )

    def _write(self) -> None:
        table, suffix = self.table(), self.path.suffix.lower()
        if suffix == ".fits":
            table.convert_unicode_to_bytestring()  # names of files beyond ASCII as UTF-8, which astropy refuses to do
        with atomically(self.path) as part:
            table.write(part, format=FORMATS[suffix])

    def _read(self) -> Cells:
        """The rows of the table and, after and over them, those of the journal."""
        cells = Cells(self._columns)
        for source in (self._of_table(), self._of_journal()):
            for row in source:
                if row.get("settings") != self.settings:
                    raise InputError(
                        f"{self.path}: its rows were made with {row.get('settings')!r}, not with {self.settings!r}; "
                        "give another --table, or remove this one"
                    )
                cells.put(row)
        return cells

    def _of_table(self) -> Iterator[Row]:
        if not self.path.exists():
            return
        from astropy.table import Table

        suffix = self.path.suffix.lower()
        options = {"mask_invalid": False, "hdu": 1} if suffix == ".fits" else {}
        try:
            table = Table.read(self.path, format=FORMATS[suffix], **options)
            for name in set(FILES) - set(table.colnames):
                table[name] = ""
            values = [_plain(table[c.name], c.missing) for c in self._columns]
        except Exception as error:  # each of the three readers has errors of its own
            raise InputError(f"{self.path}: not a table that xspecnf wrote ({error}); give another --table") from error
        names = [c.name for c in self._columns]
        yield from (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))

    def _of_journal(self) -> Iterator[Row]:
        """The rows of the journal, which ends with the last of them: a torn line was never a row."""
        self._stream.seek(0)
        whole = 0
        for line in self._stream:
            if not line.endswith(b"\n") and line.startswith(b"{"):
                break
            whole += len(line)
            try:
                row = json.loads(line)
                yield {"file": row["file"]} | row
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{self.journal}: not a journal of xspecnf ({error}); remove it") from error
        self._stream.truncate(whole)

    def _full(self, error: OSError) -> InputError:
        return InputError(
            f"{error.filename or self.journal}: {error.strerror or error}; the rows so far are kept; "
            "make room, or give another folder, and run again"
        )


def _locked(journal: Path) -> IO[bytes]:
    """The journal, open for reading and appending and locked. Raises InputError where another program has it."""
    while True:
        try:
            stream = open(journal, "a+b")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{journal}: cannot be written ({error.strerror}); give another --table") from error
        if not lock(stream.fileno()):
            stream.close()
            raise InputError(f"{journal}: another xspecnf is writing this table; wait for it, or give another --table")
        if _same(journal, stream):
            return stream
        stream.close()  # its owner had finished and removed it in between


def _same(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _plain(column: Any, missing: str | float) -> list[Any]:
    """A column of astropy's as str or float; a masked cell is `missing`."""
    values = np.ma.filled(column, missing).tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]
