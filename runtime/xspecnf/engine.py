"""onnxruntime, imported here and nowhere else: without telemetry, and without a word where warnings are ignored.

On many machines it prints a line for every display that is no GPU when it is imported, and no setting prevents that. It
does not go through Python's `sys.stderr`, so the descriptor itself is turned away; only where `-W ignore` was given, as
the command does, for the descriptor is shared with the other threads of a program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from xspecnf import telemetry

__all__ = ["onnxruntime"]

STDERR = 2


@contextmanager
def _muted() -> Iterator[None]:
    """Whatever is written to the descriptor of stderr is dropped."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # it is closed
        yield
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


telemetry.switch_off()
with _muted() if "ignore" in sys.warnoptions else nullcontext():
    import onnxruntime
telemetry.switch_off()  # by the call too
