"""The spectra of a type II file, one a row: `file.pha{3}` is the third, as in XSPEC."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import Row, Table


def split_row(path: str | Path) -> tuple[Path, int | None]:
    """A path and the row that it ends with, None where it has none or where a file of just that name exists."""
    found = re.fullmatch(r"(.+)\{(\d+)\}", str(path), re.DOTALL)
    if found is None or Path(path).exists():
        return Path(path), None
    return Path(found[1]), int(found[2])


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
    """A path and the extension that it ends with, None where it has none or where a file of just that name exists."""
    found = re.fullmatch(r"(.+?)(?:\[([^\[\]]+)\]|\+(\d+))", str(path), re.DOTALL)
    if found is None or Path(path).exists():
        return Path(path), None
    name, _, version = (found[2] or found[3]).partition(",")
    if name.strip().isdigit():
        return Path(found[1]), Extension(number=int(name))
    return Path(found[1]), Extension(name.strip(), int(version) if version.strip().isdigit() else None)


def plain(name: str | Path) -> Path:
    """The file of a name, without the extension and the row that it may end with."""
    return split_extension(split_row(name)[0])[0]


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
    numbers = table.integers("SPEC_NUM") if "SPEC_NUM" in table else np.arange(1, len(table) + 1)
    places = np.flatnonzero(numbers == row) if row is not None else np.arange(len(table))
    if len(places) != 1:
        held = f"a type II file with {len(numbers)} spectra (rows {', '.join(map(str, numbers[:40]))})"
        wrong = "" if row is None else f", {len(places) or 'none'} of them row {row}"
        example = f"{table.path.name}{{{numbers[0]}}} or --row {numbers[0]}"
        raise InputError(f"{table.path}: {held}{wrong}; choose one, such as {example}")
    return Row(table, int(places[0])), int(numbers[places[0]])


def _of_many(table: Table) -> bool:
    """Whether the rows are spectra: so says the header, or the data have a vector in each."""
    if "TYPE:II" in (table.text("HDUCLAS3"), table.text("HDUCLAS4")):
        return True
    return any(name in table and table.column(name).ndim > 1 for name in ("COUNTS", "RATE"))
