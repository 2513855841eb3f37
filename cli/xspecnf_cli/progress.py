"""Bars with rate and time left, on a terminal, for work that takes longer than DELAY."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

DELAY = 2.0
"""Seconds before a bar appears."""


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each of `total` steps; for one step there is no bar."""
    if total < 2:
        yield lambda: None
        return
    with stages() as step:
        step(what, 0, total)
        done = count(1)
        yield lambda: step(what, next(done), total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what is to be told (stage, steps done, of how many); without a terminal it does nothing.

    Bars are drawn where results are printed if that is a terminal, so that they stay below them, else on stderr.
    """
    if not on_terminal():
        yield lambda stage, done, total: None
        return
    from xspecnf_cli.bar import bars

    with bars() as step:
        yield step


def on_terminal() -> bool:
    """Whether there is one to draw on."""
    return sys.stdout.isatty() or sys.stderr.isatty()
