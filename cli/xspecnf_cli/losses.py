"""No data are lost: what a command is going to write is looked at before any work.

A file is the same as another by device and inode, so through links, other spellings and on disks that take capitals
and small letters as one. What is refused is wrong usage, exit code 2:

* an output that is a file which the command reads,
* an output that exists and that xspecnf did not write,
* two outputs that are one file,
* an output whose folder cannot be made or takes no file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer

from xspecnf_cli.own import wrote

Identity = tuple[int, int]
Input = tuple[Path, str]
"""A file that is read, and what it is."""


@dataclass(frozen=True)
class Target:
    """A file to be written: by which option, and the mark of one that xspecnf wrote, which may be replaced."""

    path: Path
    option: str
    mark: bytes

    @property
    def part(self) -> Path:
        """Where it is written at first."""
        return self.path.with_name(self.path.name + ".part")

    def refused(self, why: str) -> typer.BadParameter:
        """The error that names it."""
        return typer.BadParameter(f"{self.path}: {why}", param_hint=self.option)


def refuse_losses(targets: Sequence[Target], named: Iterable[Input], headers: Iterable[Input] = ()) -> None:
    """Make the folders of all targets, where nothing would be lost by writing them.

    named: what the command reads, as far as its words say; headers: what else, which takes longer to find out and is
    asked for only where a file is there that may be one of it.

    Raises:
        typer.BadParameter: wrong usage, exit code 2.
    """
    for target in targets:
        _refuse_no_file(target)
    _refuse_twins(targets)
    if there := _existing((path, target) for target in targets for path in (target.path, target.part)):
        _refuse_inputs(there, named)
        foreign = [target for target in targets if target.path.exists() and not wrote(target.path, target.mark)]
        doubtful = [(target.path, target) for target in foreign] + [(target.part, target) for target in targets]
        if strange := _existing(doubtful):
            _refuse_inputs(strange, headers)
        for target in foreign:
            raise target.refused("exists already and xspecnf did not write it; remove it, or give another name")
    _make_folders(targets)


def _existing(places: Iterable[tuple[Path, Target]]) -> dict[Identity, Target]:
    """The targets whose files, or files on the way, are there: what writing would replace or remove."""
    return {key: target for path, target in places if (key := _identity(path)) is not None}


def _refuse_no_file(target: Target) -> None:
    try:
        kind = target.path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(kind):
        raise target.refused(f"is a {'folder' if stat.S_ISDIR(kind) else 'device or pipe'}, not a file; give a file")


def _refuse_twins(targets: Sequence[Target]) -> None:
    first: dict[tuple[object, ...], Target] = {}
    for target in targets:
        for key in {_identity(target.path) or (), _place(target.path)} - {()}:
            if (other := first.setdefault(key, target)) is not target:
                raise target.refused(f"would be the same file as {other.option} {other.path}; give each its own")


def _refuse_inputs(there: dict[Identity, Target], inputs: Iterable[Input]) -> None:
    for path, what in inputs:
        if (target := there.get(_identity(path) or (0, 0))) is not None:
            ending = "" if _identity(target.path) == _identity(path) else " (where it is written first)"
            raise target.refused(f"is {what} {path}{ending}, which is read; give another name")


def _identity(path: Path) -> Identity | None:
    """Device and inode of the file behind a path, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _place(path: Path) -> tuple[object, ...]:
    """Where a path leads, whether there is a file or not."""
    folder, folds = _folder(path.parent)
    return folder, path.name.casefold() if folds else path.name


@cache
def _folder(folder: Path) -> tuple[str, bool]:
    """A folder's real path, and whether capitals and small letters are one in it."""
    real = os.path.realpath(folder)
    nearest = next(place for place in (Path(real), *Path(real).parents) if place.exists())
    folds = _folds_case(nearest)
    return real.casefold() if folds else real, folds


def _folds_case(folder: Path) -> bool:
    other = folder.with_name(folder.name.swapcase()) if folder.name else folder
    return other.name != folder.name and _identity(other) == _identity(folder)


def _make_folders(targets: Sequence[Target]) -> None:
    """The folders of all targets, each tried by a file without a name."""
    from tempfile import TemporaryFile

    for folder, target in {target.path.parent: target for target in reversed(targets)}.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise target.refused(f"its folder {folder} cannot be written to ({error.strerror}); give another") from None
