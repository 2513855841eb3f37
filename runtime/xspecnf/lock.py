"""Advisory locks on open files and folders (flock): held by one process, and gone with it however it ends."""

from __future__ import annotations

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
