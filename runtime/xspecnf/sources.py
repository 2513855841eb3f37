"""Which files of a folder or a pattern are spectra of sources, and which are the backgrounds of others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from xspecnf.companions import beside
from xspecnf.errors import InputError
from xspecnf.headers import Header, spectrum_header
from xspecnf.ogip import backfiles_in

SUFFIXES = (".pha", ".pi", ".jsgrp")
BACKGROUNDS = ("_bg", "_bkg", "_back")
"""Ends of the names, without suffixes, of files beside spectra that are their backgrounds."""

MOST_COLUMNS = 100

Identity = tuple[int, int] | Path
"""Device and inode, which all links of a file share; the path of one that is not there."""


def spectra_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The spectra in a folder and below it, by name; and the backgrounds that were left out."""
    return without_backgrounds(files_in(folder))


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and below it that are called as spectra and their backgrounds are, by name."""
    return sorted(path for path in folder.rglob("*") if _has_suffix(path) and path.is_file())


def without_backgrounds(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Those that are no background, and those that are.

    A background is called one, says so itself (HDUCLAS2 = BKG), or is what the header or the name of a spectrum among
    these leads to, as are correction files. Files that cannot be read are taken for spectra: the reading tells what is
    wrong with them.
    """
    headers = {path: spectrum_header(path) for path in paths}
    left_out = {path for path in paths if _stem(path).endswith(BACKGROUNDS) or is_background(headers[path])}
    identity = {path: _identity(path) for path in paths}
    taken: set[Identity] = set()
    for path in paths:
        if path not in left_out and identity[path] not in taken:
            taken |= {_identity(other) for other in _taken_from(path, headers[path])} - {identity[path]}
    left_out |= {path for path in paths if identity[path] in taken}
    return [path for path in paths if path not in left_out], [path for path in paths if path in left_out]


def is_background(header: Header) -> bool:
    """Whether a spectrum's header says that it is a background."""
    return header.get("HDUCLAS2", "").upper() == "BKG"


def is_of_many(header: Header) -> bool:
    """Whether a spectrum's header says that its table holds a spectrum in each row, in words or by its columns."""
    if "TYPE:II" in (header.get("HDUCLAS3", "").upper(), header.get("HDUCLAS4", "").upper()):
        return True
    return any(re.match(r"0*([2-9]|1\d)", form) for name, form in _columns(header) if name in ("COUNTS", "RATE"))


def _columns(header: Header) -> Iterator[tuple[str, str]]:
    """Names and forms of a table's columns."""
    return ((header.get(f"TTYPE{k}", "").upper(), header.get(f"TFORM{k}", "")) for k in range(1, MOST_COLUMNS))


def _taken_from(path: Path, header: Header) -> Iterator[Path]:
    """The files that a spectrum's backgrounds, those of its rows too, and corrections are taken from."""
    names = (header.get("BACKFILE", ""), *_of_rows(path, header))
    found = [beside(path, "background", name) for name in names]
    if header.get("CORRFILE"):
        found.append(beside(path, "correction", header["CORRFILE"]))
    return (other for other in found if other is not None)


def _of_rows(path: Path, header: Header) -> tuple[str, ...]:
    """The backgrounds that a table's rows name; none of a file that cannot be read, which the reading will tell."""
    if not any(name == "BACKFILE" for name, _ in _columns(header)):
        return ()
    try:
        return backfiles_in(path)
    except InputError:
        return ()


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino


def _has_suffix(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _stem(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[0]
