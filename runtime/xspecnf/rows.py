"""Names of spectra: the rows of a type II file, `file.pha{3}` as in XSPEC, and extensions, `file.pha[NAME]`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import Row, Table
from xspecnf.grid import IntArray

ROWS = re.compile(r"(.+)\{([\d\s,-]+)\}", re.DOTALL)
_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = r"(?P<number>[0-9]{1,9})"
_NAME = r"(?P<name>[\w .+-]*[^\W\d][\w .+-]*?) *(?:, *(?P<version>[0-9]{1,9}))?"  # some letter: else it is a number
_BRACKETS = re.compile(rf"(.+)\[ *(?:{_NUMBER}|{_NAME}) *\]", re.DOTALL)
_PLUS = re.compile(rf"(.*[^/\\]\.[^/\\+]+)\+{_NUMBER}", re.DOTALL)  # without a suffix: a source, GX_339+4

MOST_ROWS = 100_000
"""Spectra of one file."""


def split_row(path: str | Path) -> tuple[Path, int | None]:
    """A path and the row that it ends with, None where it has none or where a file of just that name exists.

    Raises InputError for several rows.
    """
    path, rows = split_rows(path)
    if len(rows) > 1:
        raise InputError(f"{path}: {len(rows)} rows were named, one is expected; give them one by one")
    return path, rows[0] if rows else None


def split_rows(path: str | Path) -> tuple[Path, tuple[int, ...]]:
    """A path and the rows that it ends with, as `obs.pha{1-3,5}`; none where a file of just that name exists.

    Raises InputError for what names no rows.
    """
    found = ROWS.fullmatch(str(path))
    if found is None or os.path.exists(path):
        return Path(path), ()
    return Path(found[1]), parse_rows(found[2])


def parse_rows(text: str) -> tuple[int, ...]:
    """The numbers of "3", "1-3" or "1-3,5", each once, in order. Raises InputError for anything else."""
    rows: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        ends = (first, last) if dash else (first, first)
        if not all(map(_WHOLE.fullmatch, ends)) or not 0 <= int(ends[1]) - int(ends[0]) < MOST_ROWS:
            raise InputError(f"{{{text}}} names no rows; write them as {{3}}, {{1-3}} or {{1-3,5}}")
        rows |= dict.fromkeys(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(rows)


@dataclass(frozen=True)
class Extension:
    """A table of a FITS file as CFITSIO names it: [NAME], [NAME,VERSION], [NUMBER] or +NUMBER; 0 is the primary HDU."""

    name: str = ""
    version: int | None = None
    number: int | None = None

    def __str__(self) -> str:
        if self.number is not None:
            return f"[{self.number}]"
        return f"[{self.name}]" if self.version is None else f"[{self.name},{self.version}]"


def split_extension(path: str | Path) -> tuple[Path, Extension | None]:
    """A path without row and its extension, None where it has none or where a file of just that name exists.

    Brackets that hold something else, as a filter of CFITSIO's, remain part of the name.
    """
    found = _BRACKETS.fullmatch(str(path)) or _PLUS.fullmatch(str(path))
    if found is None or os.path.exists(path):
        return Path(path), None
    parts = found.groupdict()
    version, number = (int(parts[key]) if parts.get(key) else None for key in ("version", "number"))
    return Path(found[1]), Extension((parts.get("name") or "").strip(), version, number)


def plain(name: str | Path) -> Path:
    """The file of a name, without the extension and the row that it may end with."""
    return split_extension(split_row(name)[0])[0]


def printable(name: str) -> str:
    r"""A name as text for any file and figure; bytes of the file system that are no UTF-8 as `\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def with_row(path: Path, row: int | None) -> Path:
    """The inverse of `split_row`."""
    return path if row is None else path.with_name(f"{path.name}{{{row}}}")


def chosen(table: Table, row: int | None) -> tuple[Table, int | None]:
    """The row of that number of a type II table, and its number; the table itself where it is of type I.

    Rows count as SPEC_NUM does, from 1 where there is none. A table of one row needs no choice. Raises InputError for
    a row that is not there, for none where there are many, and for one of a type I table.
    """
    if not _of_many(table):
        if row is not None:
            raise InputError(f"{table.path}: a type I file, which is one spectrum; leave the row {row} out")
        return table, None
    numbers = row_numbers(table)
    places = np.flatnonzero(numbers == row) if row is not None else np.arange(len(table))
    if len(places) != 1:
        held = f"a type II file with {len(numbers)} spectra (rows {', '.join(map(str, numbers[:40]))})"
        wrong = "" if row is None else f", {len(places) or 'none'} of them row {row}"
        example = f"{table.path.name}{{{numbers[0]}}} or --row {numbers[0]}"
        many = "; several are taken as {1-3,5}, all with --table" if row is None else ""
        raise InputError(f"{table.path}: {held}{wrong}; choose one, such as {example}{many}")
    return Row(table, int(places[0])), int(numbers[places[0]])


def row_numbers(table: Table) -> IntArray:
    """(rows,) the numbers of a table's rows; those of a type I table, which is one spectrum, are none."""
    if not _of_many(table):
        return np.empty(0, dtype=np.int64)
    return table.integers("SPEC_NUM") if "SPEC_NUM" in table else np.arange(1, len(table) + 1)


def _of_many(table: Table) -> bool:
    """Whether the rows are spectra: so says the header, or the data have a vector in each."""
    if "TYPE:II" in (table.text("HDUCLAS3"), table.text("HDUCLAS4")):
        return True
    return any(name in table and table.column(name).ndim > 1 for name in ("COUNTS", "RATE"))
