"""What a verb prints of one spectrum: a title, a table, lines; in colour on a terminal, plain in a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

Tone = Literal["", "good", "caution", "reject", "aside"]

STYLES: dict[Tone, str] = {"": "", "good": "bold green", "caution": "bold yellow", "reject": "bold red", "aside": "dim"}

NAME, VALUE, CELL = 10, 12, 25
"""Widths of the columns in plain text: the parameter, its value, each interval; the unit has the rest."""


@dataclass(frozen=True)
class Line:
    """One line below the table; `indent` in steps of two blanks."""

    text: str
    tone: Tone = ""
    indent: int = 1


@dataclass(frozen=True)
class Sheet:
    """A title, a table of parameter, value, intervals and unit, and lines below it.

    Raises:
        ValueError: a row has not as many cells as the heads.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.heads) for row in self.rows):
            raise ValueError(f"{self.title}: every row must have the {len(self.heads)} cells of its heads")

    def text(self) -> str:
        """As plain text."""
        body = [_plain_row(row) for row in (self.heads, *self.rows)]
        return "\n".join([self.title, *body, *("  " * line.indent + line.text for line in self.lines)])

    def show(self) -> None:
        """Print on stdout: drawn where that is a terminal, as plain text otherwise."""
        from xspecnf.rows import printable

        if not sys.stdout.isatty():
            typer.echo(printable(self.text()))
            return
        from rich import box
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(*self.heads, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        table.columns[1].justify = "right"
        for row in self.rows:
            table.add_row(*map(Text, row))
        lines = (
            Padding(Text(printable(line.text), STYLES[line.tone]), (0, 0, 0, 2 * line.indent)) for line in self.lines
        )
        terminal().print(Group(Text(printable(self.title), "bold cyan"), table, *lines))


@cache
def terminal() -> Console:
    """The terminal on stdout; a progress bar that is drawn on the same one stays below what is printed."""
    from rich.console import Console

    return Console()


def _plain_row(cells: tuple[str, ...]) -> str:
    name, value, *intervals, unit = cells
    middle = "".join(f"  {cell:<{CELL}}" for cell in intervals)
    return f"  {name:<{NAME}}{value:>{VALUE}}{middle}  {unit}".rstrip()
