"""The rows of a catalogue in memory, column by column: a number takes eight bytes, so that many rows take few."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any

from xspecnf.formats.columns import Column, Row


class Cells:
    """Rows by file, in the order of their first appearance; a row takes the place of an earlier one of its file."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._values: dict[str, Any] = {c.name: [] if c.dtype == "str" else array("d") for c in columns}
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Row]:
        """The rows, as they were put; every column has a value."""
        for place in self._places.values():
            yield {name: values[place] for name, values in self._values.items()}

    def put(self, row: Mapping[str, Any]) -> None:
        """Add a row, or replace that of its file."""
        place = self._places.setdefault(row["file"], len(self._places))
        for column in self._columns:
            value, values = row.get(column.name), self._values[column.name]
            value = intern(str(value or "")) if column.dtype == "str" else math.nan if value is None else float(value)
            if place < len(values):
                values[place] = value
            else:
                values.append(value)

    def column(self, name: str) -> Sequence[Any]:
        """The values of a column."""
        return self._values[name]

    def cell(self, file: str, name: str) -> Any:
        """One value, None where there is no such row."""
        place = self._places.get(file)
        return None if place is None else self._values[name][place]


def filled(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Cells:
    """Cells of rows, one after the other."""
    cells = Cells(columns)
    for row in rows:
        cells.put(row)
    return cells
