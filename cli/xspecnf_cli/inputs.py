"""Spectra as a user names them: files, folders, patterns that the shell left alone, lists of files."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

import typer

SPECTRA = (".pha", ".pi", ".jsgrp")
BACKGROUNDS = ("_bg", "_bkg", "_back")
"""Ends of the names, without suffixes, of files beside spectra that are their backgrounds."""


def expanded(arguments: list[Path]) -> list[Path]:
    """Every spectrum that the arguments name, in their order, those of a folder or a pattern by name.

    A folder stands for the spectra in it and in those below, without backgrounds; `@list.txt` for the arguments in the
    lines of that file, without those that begin with #.

    Raises:
        typer.BadParameter: a folder, pattern or list without a spectrum; a list that cannot be read.
    """
    return [path for argument in arguments for path in _of(argument)]


def lists_among(arguments: list[Path]) -> list[Path]:
    """The lists that the arguments name, and those that these name."""
    found = [Path(str(argument)[1:]) for argument in arguments if str(argument).startswith("@")]
    return found + [inner for path in found for inner in lists_among(list(_lines(path)))]


def rows_of(observations: list[Path], row: int | None) -> list[Path]:
    """The observations with the row of each, as `obs.pha{3}`."""
    from xspecnf.rows import with_row

    return [with_row(path, row) for path in observations]


def _of(argument: Path) -> list[Path]:
    text = str(argument)
    if text.startswith("@"):
        found = expanded(list(_lines(Path(text[1:]))))
    elif argument.is_dir():
        found = sorted(path for path in argument.rglob("*") if _is_spectrum(path))
    elif glob.has_magic(text) and not argument.exists():
        found = [Path(path) for path in sorted(glob.glob(text, recursive=True))]
    else:
        return [argument]
    if not found:
        raise typer.BadParameter(f"{text}: no spectrum there; a folder's must be called *{' or *'.join(SPECTRA)}")
    return found


def _lines(path: Path) -> Iterator[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"@{path}: the list of files cannot be read ({error})") from None
    return (Path(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _is_spectrum(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    stem, dot, suffix = name.rpartition(".")
    return path.is_file() and dot + suffix in SPECTRA and not stem.endswith(BACKGROUNDS)
