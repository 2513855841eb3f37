"""How far long work is, for whoever draws it."""

from collections.abc import Callable

Step = Callable[[str, int, int], None]
"""Told a stage of the work, the steps of it that are done, and of how many."""


def unwatched(stage: str, done: int, total: int) -> None:
    """Nobody is told."""
