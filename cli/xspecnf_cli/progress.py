"""A bar with rate and time left, on a terminal, for work that takes longer than DELAY."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DELAY = 2.0
"""Seconds before a bar appears."""


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each of `total` steps; without a terminal, or for one step, it does nothing.

    The bar is drawn where results are printed if that is a terminal, so that it stays below them, else on stderr.
    """
    if total < 2 or not (sys.stdout.isatty() or sys.stderr.isatty()):
        yield lambda: None
        return
    from xspecnf_cli.bar import bar

    with bar(total, what) as advance:
        yield advance
