"""Posteriors as files, one module a format, chosen by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.formats import chain, csv, json, netcdf, npz

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior

WRITERS: dict[str, Callable[[Posterior, Path], None]] = {
    ".json": json.write,
    ".csv": csv.write,
    ".npz": npz.write,
    ".fits": chain.write,
    ".nc": netcdf.write,
}
READERS: dict[str, Callable[[Path], Posterior]] = {".json": json.read, ".npz": npz.read}
NEED_OBSERVATION = (".fits", ".nc")
"""Formats that hold what a batch keeps on request only: the statistic of every sample."""


def check_suffix(path: Path) -> None:
    """Raise ValueError where no writer knows the suffix of `path`: ask before the work is done."""
    _check(path, WRITERS)


def save(posterior: Posterior, path: Path) -> None:
    """Write `posterior` in the format that the suffix of `path` names; ValueError for an unknown one."""
    check_suffix(path)
    WRITERS[path.suffix.lower()](posterior, path)


def load(path: Path) -> Posterior:
    """Read a whole posterior; ValueError for a suffix whose format does not hold one, InputError for a bad file."""
    _check(path, READERS)
    return READERS[path.suffix.lower()](path)


def _check(path: Path, known: Iterable[str]) -> None:
    if path.suffix.lower() not in known:
        raise ValueError(f"{path}: no format has the suffix {path.suffix!r}; use one of {', '.join(known)}")
