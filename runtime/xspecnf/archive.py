"""Arrays of an .npz from a stranger: nothing is unpickled, and an array takes no more memory than it was stored in.

`numpy.load` allocates what a header promises before it looks whether the data are there, and unpacks a member however
small it was packed; here the archive's own directory is asked first, which zipfile holds its members to.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

LARGEST = 256 * 2**20
"""Bytes of all arrays of a bundle's file, unpacked."""

Array = np.ndarray[Any, Any]


def load_arrays(file: Path | IO[bytes], largest: int = LARGEST) -> dict[str, Array]:
    """The arrays by name. largest: bytes of all of them.

    Raises:
        OSError: there is no such file.
        ValueError: it is no archive of plain arrays, or a larger one.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if (size := sum(member.file_size for member in members)) > largest:
                raise ValueError(f"its arrays take {size} bytes, {largest} at most")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile, zlib and numpy's reader of headers each have many for damaged data
        raise ValueError(f"not a sound archive: {error}") from error


def _array(content: bytes) -> Array:
    stream = BytesIO(content)
    if (version := npy.read_magic(stream)) != (1, 0):
        raise ValueError(f"version {version} of numpy's format, not (1, 0)")
    shape, by_columns, dtype = npy.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("Python objects among the arrays")
    values = np.frombuffer(bytearray(content[stream.tell() :]), dtype)
    return values.reshape(shape, order="F" if by_columns else "C")  # ValueError where the shape is not that of the data
