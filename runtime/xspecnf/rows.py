"""The spectra of a type II file, one a row: `file.pha{3}` is the third, as in XSPEC."""

import re
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
