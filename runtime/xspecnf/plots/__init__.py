"""Figures of results, with matplotlib (extra [plot]); no function here opens a window or keeps global state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.atomic import write_atomically
from xspecnf.extras import require_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
DPI = 200
PACKAGES = ("matplotlib.figure", "matplotlib.backends.backend_agg", "scipy.ndimage", "corner")
"""What draws: corner smooths with scipy, and asks for it only then."""

MAKER = {"png": {"Software": "xspecnf"}, "pdf": {"Creator": "xspecnf"}, "svg": {"Creator": "xspecnf"}}
"""What a figure's file says of who made it, by which a later run knows that it may be replaced."""


def check_suffix(path: Path) -> None:
    """Raise ValueError where no figure has the suffix of `path`, MissingExtraError as :func:`check_packages`."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: no figure has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    check_packages("a figure")


def check_packages(purpose: str) -> None:
    """Raise MissingExtraError where a package that draws is missing, too old or broken."""
    require_all(PACKAGES, "plot", purpose)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix, whole or not at all; ValueError for an unknown one."""
    check_suffix(path)
    write_atomically(path, rendered(figure, path.suffix.lower()[1:]))


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as a file's content: "png", "pdf" or "svg"."""
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=DPI, metadata=MAKER[kind])
    return content.getvalue()
