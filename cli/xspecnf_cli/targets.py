"""What a command is about to write: looked at before any work, so that no data are lost and no work is in vain.

One rule for all verbs: a result takes the place of an earlier result of xspecnf's, and of no other file; what a command
reads, and any spectrum, response or event list, is never written. A table goes on. Folders are made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import typer

from xspecnf_cli.lists import lists_in

TABLE = "--table"

Named = tuple[Path, str]
"""An output and the option that names it."""

Identity = tuple[int, int] | Path
"""A file's device and inode, which all its links share; the path of one that is not there yet."""


def inputs_of(arguments: Iterable[Path], spectra: Iterable[Path], others: Iterable[object], model: str) -> list[Path]:
    """The files that a command reads: lists and spectra among its arguments, files of its options, a bundle's."""
    from xspecnf.bundle import shipped_bundles
    from xspecnf.rows import plain

    options = (Path(str(other)) for other in others if other is not None)
    folder = Path(shipped_bundles().get(model, model))
    return [*lists_in(arguments), *map(plain, spectra), *map(plain, options), *folder.rglob("*")]


def prepare(outputs: Sequence[Named], inputs: Iterable[Path]) -> None:
    """Make the folders of outputs.

    Raises:
        typer.BadParameter: an output that is an input, holds data, is another output or a folder; a folder that cannot
            be made.
    """
    read = {_identity(path): path for path in inputs if path.is_file()}
    written: dict[Identity, Path] = {}
    for path, option in outputs:
        if fault := _fault(path, read, goes_on=option == TABLE):
            raise typer.BadParameter(fault, param_hint=option)
        for file in _beside(path):
            if same := read.get(_identity(file)):
                raise typer.BadParameter(f"{path} needs the place of {same}, which is read", param_hint=option)
        if (other := written.setdefault(_identity(path), path)) is not path:
            raise typer.BadParameter(f"{path} is the file {other}, which is written too", param_hint=option)
    for path, option in outputs:
        _make_folder(path, option)


def _fault(path: Path, read: Mapping[Identity, Path], goes_on: bool) -> str:
    """Why a file may not be written; '' where it may. A table that goes on is read, and looked at, before it is."""
    from xspecnf.headers import data_in
    from xspecnf.replaceable import replaceable

    if path.is_dir():
        return f"{path} is a folder; give the name of a file"
    if not path.exists():
        return ""
    if same := read.get(_identity(path)):
        return f"{path} is the file {same}, which is read; give another name"
    if held := data_in(path):
        return f"{path} exists already and holds {held}, which is never replaced; give another name"
    other = not goes_on and not replaceable(path)
    return f"{path} exists already and is no result of xspecnf; remove it or give another name" if other else ""


def _beside(path: Path) -> Iterator[Path]:
    """What is written beside a file until it is whole: its part, and a table's journal."""
    yield path.with_name(path.name + ".part")
    yield path.with_name(path.name + ".journal")


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return path.absolute()
    return status.st_dev, status.st_ino


def _make_folder(path: Path, option: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path}: its folder cannot be made ({error.strerror}: {error.filename})"
        raise typer.BadParameter(message, param_hint=option) from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{path}: its folder cannot be written to", param_hint=option)
