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


def check_suffix(path: Path) -> None:
    """Raise ValueError where no writer knows the suffix of `path`, MissingExtraError where a package of its format is
    missing, too old or broken: ask before the work is done.
    """
    _check(path, WRITERS)
    if path.suffix.lower() == ".nc":
        netcdf.check_packages()


def needs_observation(path: Path) -> bool:
    """Whether the format of `path` holds what a batch keeps on request only: every sample's statistic, the data."""
    return path.suffix.lower() in (".fits", ".nc")


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
