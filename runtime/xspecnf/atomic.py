"""Files that are there as a whole or not at all, whatever ends the program that writes them.

A file is written beside its place under its name with ".part", flushed to the disk and renamed. A killed writer leaves
that part, which the next one replaces. Writers of one folder take turns, so that none touches another's part.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xspecnf.lock import lock


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place once the block has ended well. Raises OSError.

    Within the block nothing else may be written atomically to the same folder: its turn would never come.
    """
    temporary = path.with_name(path.name + ".part")
    with _turn(path.parent):
        try:
            temporary.unlink(missing_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error  # of the file that the user knows
        finally:
            with suppress(OSError):
                temporary.unlink()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write beside `path`, flush to the disk, then rename over it. Raises OSError.

    Text is written as UTF-8, names of files in it as the bytes that they are.
    """
    with atomically(path) as temporary:
        temporary.write_bytes(content.encode(errors="surrogateescape") if isinstance(content, str) else content)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other writer is in the folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # no such folder, as writing will say; or a system that cannot open one
        yield
        return
    try:
        lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)
