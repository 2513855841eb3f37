"""Writers of posteriors, one module a format, chosen by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.formats import csv, json

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior

WRITERS: dict[str, Callable[[Posterior, Path], None]] = {".json": json.write, ".csv": csv.write}


def check_suffix(path: Path) -> None:
    """Raise ValueError where no writer knows the suffix of `path`: ask before the work is done."""
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"{path}: no format has the suffix {path.suffix!r}; use one of {', '.join(WRITERS)}")


def save(posterior: Posterior, path: Path) -> None:
    """Write `posterior` in the format that the suffix of `path` names; ValueError for an unknown one."""
    check_suffix(path)
    WRITERS[path.suffix.lower()](posterior, path)
