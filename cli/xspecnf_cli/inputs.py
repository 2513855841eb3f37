"""Spectra as a user names them: files, rows of files, folders, patterns that the shell left alone, lists of files."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from xspecnf_cli.lists import listed

Tell = Callable[[str], None]
SHOWN = 3
"""Files that are named where some are left out."""


def told(text: str) -> None:
    """Tell the user, beside the results."""
    typer.echo(text, err=True)


def spectra(arguments: list[Path], row: str | None = None, all_rows: bool = False, quiet: bool = False) -> list[Path]:
    """Every spectrum that a command's arguments name, a row of a type II file as `obs.pha{3}`.

    row: rows for those that name none. all_rows: without any, take all rows of a file that has many.

    Raises:
        typer.BadParameter: as `expanded` does; rows that are none, or rows for what names its own.
    """
    found = expanded(arguments, (lambda text: None) if quiet else told)
    if row is not None:
        return [with_row for path in found for with_row in _rows_of(path, row)]
    return [path for name in found for path in _all_rows(name)] if all_rows else found


def expanded(arguments: list[Path], tell: Tell = told) -> list[Path]:
    """Every spectrum that the arguments name, in their order, those of a folder or a pattern by name.

    A folder stands for the spectra in it and in those below, a pattern for what it matches, both without backgrounds;
    `@list.txt` for the arguments in the lines of that file; `obs.pha{1-3}` for its rows.

    Raises:
        typer.BadParameter: a folder, pattern or list without a spectrum; a list that cannot be read.
    """
    left_out: list[Path] = []
    found = [path for argument in arguments for path in _expanded(argument, tell, left_out)]
    _tell_left_out(left_out, tell)
    return found


def _expanded(argument: Path, tell: Tell, left_out: list[Path], within: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The spectra of an argument, in lists `within` which it stands; `left_out` takes the backgrounds."""
    if not str(argument).startswith("@"):
        yield from _named(argument, left_out)
        return
    path = Path(str(argument)[1:])
    if path in within:
        raise typer.BadParameter("the list names itself; take the line out")
    for entry in listed(path, tell):
        try:
            yield from _expanded(entry.name, tell, left_out, (*within, path))
        except typer.BadParameter as error:
            raise typer.BadParameter(f"{entry.place}: {error.message}") from None


def _named(argument: Path, left_out: list[Path]) -> list[Path]:
    """The spectra that a name stands for, with its rows."""
    from xspecnf.errors import InputError
    from xspecnf.rows import split_rows, with_row

    try:
        name, rows = split_rows(argument)
    except InputError as error:
        raise typer.BadParameter(f"{argument}: {error}") from None
    if os.path.isdir(name):
        found = _sources(name, [name], left_out)
    elif glob.has_magic(str(name)):
        found = _matching(name, left_out)
    else:
        found = [name]
    return [with_row(path, row) for path in found for row in rows or (None,)]


def _matching(pattern: Path, left_out: list[Path]) -> list[Path]:
    """What a pattern matches, `night*/obs.pha[SPECTRUM]` with that extension; folders stand for what is in them."""
    from xspecnf.rows import split_extension

    path, extension = split_extension(pattern)
    if os.path.exists(path):  # brackets of its own, or an extension
        return [pattern]
    matches = _matches(pattern)
    if not extension or matches:
        return _sources(pattern, matches, left_out)
    if not glob.has_magic(str(path)):
        return [pattern]
    behind = str(pattern)[len(str(path)) :]
    return [Path(f"{match}{behind}") for match in _sources(pattern, _matches(path), left_out)]


def _matches(pattern: Path) -> list[Path]:
    return [Path(path) for path in sorted(glob.glob(str(pattern), recursive=True))]


def _sources(name: Path, matches: list[Path], left_out: list[Path]) -> list[Path]:
    """The spectra among a folder's or a pattern's matches; of a pattern, backgrounds alone are what was meant."""
    from xspecnf.sources import SUFFIXES, files_in, without_backgrounds

    files = dict.fromkeys(file for path in matches for file in (files_in(path) if path.is_dir() else [path]))
    found, others = without_backgrounds(list(files))
    in_folder = os.path.isdir(name)
    if not found and not in_folder:
        found, others = others, []
    if not found:
        called = f"a folder's must be called *{' or *'.join(SUFFIXES)}" if in_folder else "no file matches this pattern"
        marked = f"{len(others)} are called or marked as backgrounds; name them to have them done"
        raise typer.BadParameter(f"{name}: no spectrum there; {marked if others else called}")
    left_out += others
    return found


def _tell_left_out(backgrounds: list[Path], tell: Tell) -> None:
    if backgrounds:
        names = ", ".join(path.name for path in backgrounds[:SHOWN]) + (", ..." if len(backgrounds) > SHOWN else "")
        verb = "background was" if len(backgrounds) == 1 else "backgrounds were"
        tell(f"{len(backgrounds)} {verb} left out: {names}")


def _rows_of(path: Path, row: str) -> list[Path]:
    """The rows of a file by --row. Raises BadParameter where there are none, or where the name has some already."""
    from xspecnf.errors import InputError
    from xspecnf.rows import parse_rows, split_row, with_row

    try:
        if split_row(path)[1] is not None:
            raise typer.BadParameter(f"{path} names its row; leave --row out", param_hint="--row")
        return [with_row(path, number) for number in parse_rows(row)]
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="--row") from None


def _all_rows(name: Path) -> Iterator[Path]:
    """The rows of a file of many spectra; the name itself of any other, also of one that cannot be read."""
    from xspecnf.errors import InputError
    from xspecnf.headers import spectrum_header
    from xspecnf.ogip import rows_in
    from xspecnf.rows import split_extension, split_row, with_row
    from xspecnf.sources import is_of_many

    rows: tuple[int, ...] = ()
    path, extension = split_extension(name)  # the header of the first spectrum tells nothing of another
    if split_row(name)[1] is None and (extension or is_of_many(spectrum_header(path))):
        try:
            rows = rows_in(name)
        except InputError:  # which the reading will tell
            rows = ()
    yield from (with_row(name, row) for row in rows or (None,))
