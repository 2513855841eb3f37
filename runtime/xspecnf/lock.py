"""Advisory locks on open files and folders (flock): held by one process, and gone with it however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock(descriptor: int, wait: bool = False) -> bool:
    """Lock what is open until it is closed; whether that succeeded, always so with `wait`.

    Where the system or the file's own server has no such locks nothing is locked, and that counts as success: without
    them the program works, for one user at a time.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock, as long as nobody else does; whether that succeeded, as for :func:`lock`."""
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield lock(descriptor)
    finally:
        os.close(descriptor)
