"""Figures of results, with matplotlib (extra [plot]); no function here opens a window or keeps global state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.atomic import write_atomically
from xspecnf.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
DPI = 200
MADE_BY = {"png": "Software", "pdf": "Creator", "svg": "Creator"}
"""Where a figure says what made it."""


def check_suffix(path: Path) -> None:
    """Raise ValueError where no figure has the suffix of `path`, MissingExtraError where a package is missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: no figure has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    require("corner", "plot", "a figure")


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix, whole or not at all; ValueError for an unknown one."""
    check_suffix(path)
    write_atomically(path, rendered(figure, path.suffix.lower()[1:]))


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as a file's content: "png", "pdf" or "svg"."""
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=DPI, metadata={MADE_BY[kind]: "xspecnf"})
    return content.getvalue()
