"""Which table of a file is meant: by its name, by its class where none has the name, or by the extension asked for.

OGIP files name their tables (SPECTRUM, MATRIX, ...) and state what they are in HDUCLAS1 and HDUCLAS2 (OGIP/92-007,
CAL/GEN/92-002). Some missions use names of their own and the classes alone tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xspecnf.errors import InputError
from xspecnf.fitstable import Table
from xspecnf.rows import Extension

LARGEST_TABLE = 2**20
"""Rows: detectors have thousands of channels, responses thousands of energies."""

Notes = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of table: the names that it has, its HDUCLAS1 and HDUCLAS2 ('' for any), and what to give instead."""

    names: tuple[str, ...]
    classes: tuple[str, str]
    wanted: str

    def named(self, tables: Sequence[Table]) -> list[Table]:
        """Those of its name; of several names the first that any has."""
        found = ([table for table in tables if table.name == name] for name in self.names)
        return next((some for some in found if some), [])

    def classed(self, tables: Sequence[Table]) -> list[Table]:
        """Those that say to be of its class."""
        first, second = self.classes
        return [
            table
            for table in tables
            if table.text("HDUCLAS1").upper() == first and second in ("", table.text("HDUCLAS2").upper())
        ]


_RMF = "redistribution matrix (RMF or RSP)"
SPECTRUM = Kind(("SPECTRUM",), ("SPECTRUM", ""), "PHA spectrum")
SPECRESP = Kind(("SPECRESP",), ("RESPONSE", "SPECRESP"), "effective area file (ARF)")
MATRIX = Kind(("MATRIX", "SPECRESP MATRIX"), ("RESPONSE", "RSP_MATRIX"), _RMF)
EBOUNDS = Kind(("EBOUNDS",), ("RESPONSE", "EBOUNDS"), _RMF)


def find(
    tables: Sequence[Table], path: Path, kind: Kind, extension: Extension | None = None
) -> tuple[list[Table], Notes]:
    """The tables of a kind, or the one that `extension` names, and a note where only the class told what it is.

    Raises InputError where there is none, or where one has no row or far too many.
    """
    found, notes = ([_extension(tables, path, extension)], ()) if extension else _of_kind(tables, kind)
    if not found:
        first = " that was extracted from these events" if any(table.name == "EVENTS" for table in tables) else ""
        name = "MATRIX" if kind is MATRIX else kind.names[0]
        raise InputError(f"{path}: no {name} table (it holds {_held(tables)}); give a {kind.wanted}{first}")
    for table in found:
        if not 0 < len(table) <= LARGEST_TABLE:
            raise InputError(f"{path}: the {table.name} table has {len(table)} rows; give a {kind.wanted}")
    return found, notes


def find_first(
    tables: Sequence[Table], path: Path, kind: Kind, extension: Extension | None = None
) -> tuple[Table, Notes]:
    """The first table that `find` finds, and a note on others that were not read."""
    found, notes = find(tables, path, kind, extension)
    if len(found) == 1:
        return found[0], notes
    other = f"{path.name}[{found[1].place}]"
    return found[0], (*notes, f"{path.name} holds {len(found)} {found[0].name} tables; the first was read, not {other}")


def _of_kind(tables: Sequence[Table], kind: Kind) -> tuple[list[Table], Notes]:
    if named := kind.named(tables):
        return named, ()
    classed = kind.classed(tables)
    title = kind.names[0]
    notes = (f"{table.path.name}: its table {table.name} was read as {title}, as its class says" for table in classed)
    return classed, tuple(notes)


def _extension(tables: Sequence[Table], path: Path, extension: Extension) -> Table:
    """The table that an extension names. Raises InputError where there is none."""
    if extension.number is not None:
        found = [table for table in tables if table.place == extension.number]
    else:
        found = [table for table in tables if table.name == extension.name.upper()]
        if extension.version is not None:
            found = _version(found, extension.version)
    if not found:
        raise InputError(f"{path}: no table {extension} (it holds {_held(tables)}); choose one of these")
    return found[0]


def _version(tables: list[Table], version: int) -> list[Table]:
    """Those of that EXTVER; where their numbers do not tell them apart, the table of that place among them."""
    numbers = [table.version or 1 for table in tables]
    if version not in numbers and len(set(numbers)) < len(numbers):
        return tables[version - 1 : version]
    return [table for table, number in zip(tables, numbers, strict=True) if number == version]


def _held(tables: Sequence[Table]) -> str:
    """What a file holds, each table with the number by which it can be asked for."""
    return ", ".join(f"{table.name or 'no name'} [{table.place}]" for table in tables) or "no table, as an image does"
