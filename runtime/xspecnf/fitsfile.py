"""The bytes of a FITS file, read with a bound, and the sums that tell whether they are still those that were written.

FITS 4.0, appendix J: the 32-bit ones' complement sum of a data unit is its DATASUM, that of a whole HDU with a valid
CHECKSUM is -0, all ones.
"""

import gzip
import re
import stat
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from xspecnf.errors import InputError

BLOCK = 2880  # bytes; every complete FITS file is a whole number of blocks

LARGEST = 2**28
"""Bytes that a file may have, unpacked: the largest responses in use have a third of it, a zip bomb a hundred times."""

# What people give by mistake, by its first bytes.
MAGIC = {b"PK\x03\x04": "a zip archive", b"%PDF": "a PDF", b"\x89HDF": "an HDF5 file", b"\x1f\x9d": "compress(1) data"}

MOST = 999
"""Axes of an image, columns of a table (FITS 4.0, 4.4.1 and 7.3.1); astropy asks for as many keywords as it is told."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

TEXT = frozenset(range(32, 127)) | {9, 10, 13}


def content(path: Path) -> bytes:
    """The file's bytes, gunzipped. Raises InputError unless they begin as FITS does and are at most LARGEST."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device may never end
            raise InputError(f"{path}: not a regular file and cannot be read; give a FITS file")
        found = _unpacked(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); check the file or download it again") from error
    if not found:
        raise InputError(f"{path}: the file is empty; extract or download it again")
    if len(found) > LARGEST:
        raise InputError(f"{path}: more than {LARGEST >> 20} MiB unpacked; no spectrum or response is that large")
    if not found.startswith(b"SIMPLE  ="):
        raise InputError(f"{path}: not a FITS file ({_kind(found)}); give a FITS file")
    for keyword in (b"NAXIS   =", b"TFIELDS ="):
        if (number := _largest(found, keyword)) > MOST:
            card = keyword.decode().replace(" ", "")
            raise InputError(f"{path}: a header has {card}{number}, {MOST} at most in the standard; get the file again")
    return found


def changed(found: bytes, hdu: Any) -> str:
    """What of an HDU differs from what its sums were written for: "data", "header" or "" for nothing or no sums.

    Sums that the header itself says to be older than the file tell nothing, as nicerarf, niphasyserr and grppha leave
    them behind.
    """
    place = hdu.fileinfo()
    start, data, end = place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]
    header = hdu.header
    stated = str(header.get("DATASUM", "")).strip()
    if stated and stated != str(_sum(found[data:end])):
        return "" if _edited_after(header, "DATASUM") else "data"
    if str(header.get("CHECKSUM", "")).strip() and _sum(found[start:end]) != 0xFFFFFFFF:
        return "" if _edited_after(header, "CHECKSUM") else "header"
    return ""


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes, gunzipped; files that cannot be read differ."""
    try:
        return one.samefile(other) or _unpacked(one) == _unpacked(other)
    except (OSError, EOFError, zlib.error):
        return False


def one_line(error: BaseException) -> str:
    """An error's first line, its kind where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        return gzip.GzipFile(fileobj=file).read(LARGEST + 1) if packed else file.read(LARGEST + 1)


def _sum(part: bytes) -> int:
    """The ones' complement sum of big-endian 32-bit words; what is cut off counts as zero."""
    words = np.frombuffer(part.ljust(-(-len(part) // 4) * 4, b"\0"), ">u4")
    total = int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _largest(found: bytes, keyword: bytes) -> int:
    """The largest whole number that follows a card's keyword anywhere in the file, 0 for none."""
    values = (part[:21].split(b"/")[0].strip(b" +") for part in found.split(keyword)[1:])
    return max((int(value) for value in values if value.isdigit()), default=0)


def _edited_after(header: Any, keyword: str) -> bool:
    """Whether DATE or HISTORY is younger than the time in the comment of a sum's keyword."""
    written = TIME.findall(header.comments[keyword])
    edited = TIME.findall("\n".join([str(header.get("DATE", "")), *map(str, header.get("HISTORY", ()))]))
    return bool(written and edited) and max(edited) > max(written)


def _kind(found: bytes) -> str:
    """What a file that is none of FITS seems to be."""
    named = next((name for magic, name in MAGIC.items() if found.startswith(magic)), None)
    if named is None and set(found[:512]) <= TEXT:
        named = "a text"
    return f"{named or 'unknown'}: it begins with {found[:12]!r}"
