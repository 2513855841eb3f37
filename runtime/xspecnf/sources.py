"""Which files of a folder or a pattern are spectra of sources, and which are the backgrounds of others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from xspecnf.headers import Header, spectrum_header
from xspecnf.rows import plain

SUFFIXES = (".pha", ".pi", ".jsgrp")
BACKGROUNDS = ("_bg", "_bkg", "_back")
"""Ends of the names, without suffixes, of files beside spectra that are their backgrounds."""

MOST_COLUMNS = 100


def spectra_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The spectra in a folder and below it, by name; and the backgrounds that were left out."""
    named = sorted(path for path in folder.rglob("*") if _has_suffix(path) and path.is_file())
    others = [path for path in named if not _stem(path).endswith(BACKGROUNDS)]
    spectra, left_out = without_backgrounds(others)
    return spectra, sorted({*named} - {*spectra}) if left_out or len(others) < len(named) else []


def without_backgrounds(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Those that are no background, and those that are.

    A background says so itself (HDUCLAS2 = BKG), or is the BACKFILE of another of these. Files that cannot be read are
    taken for spectra, so that the reading tells what is wrong with them.
    """
    headers = {path: spectrum_header(path) for path in paths}
    named = {place for path, header in headers.items() if (place := _background_of(path, header)) != path.absolute()}
    left_out = [path for path in paths if is_background(headers[path]) or path.absolute() in named]
    return [path for path in paths if path not in left_out], left_out


def is_background(header: Header) -> bool:
    """Whether a spectrum's header says that it is a background."""
    return header.get("HDUCLAS2", "").upper() == "BKG"


def is_of_many(header: Header) -> bool:
    """Whether a spectrum's header says that its table holds a spectrum in each row, in words or by its columns."""
    if "TYPE:II" in (header.get("HDUCLAS3", "").upper(), header.get("HDUCLAS4", "").upper()):
        return True
    columns = {header.get(f"TTYPE{k}", "").upper(): header.get(f"TFORM{k}", "") for k in range(1, MOST_COLUMNS)}
    return any(re.match(r"[2-9]|1\d", columns.get(name, "")) for name in ("COUNTS", "RATE"))


def _background_of(path: Path, header: Header) -> Path | None:
    """Where the BACKFILE of a spectrum lies, None where it has none."""
    name = PureWindowsPath(header.get("BACKFILE", "")).as_posix()
    return None if name.lower() in (".", "none") else plain(path.absolute().parent / name)


def _has_suffix(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _stem(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[0]
