"""Damage to FITS files, by the byte: what a cut download, a bad disk, a careless script or an attacker leave.

A mutation takes a file's bytes and a generator and gives other bytes; `mutant` chooses file and mutation by a number
alone. Used by benchmarks/mutants.py and tests/fuzz.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.random import Generator

FILES = ("source.pha", "background.pha", "source.rmf", "source.arf")
THINNED = 4
"""Every such energy of the response is kept: read sooner, and neighbours stay alike."""

WRITTEN = "2030-01-01T00:00:00"
"""When the sums claim to be made: after everything else that the headers tell of, and the same at every run."""

HUGE = ("2147483648", "1000000000000", "9223372036854775807", "1E300", "-1E300")
VALUES = ("-1", "0", "1", "2", "5", "1.5", "0.001", "1E7", *HUGE, "NaN", "T", "F", "'text    '", "''", "")
FORMATS = "A 4A L B I J K E D C 16X 0J -1J 3J 1000000000J PE(9) P Z"
STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "EXTNAME", "TLMIN", "TZERO")
OURS = ("EXPOSURE", "BACKSCAL", "AREASCAL", "DETCHANS", "TELESCOP", "INSTRUME", "POISSERR", "HDUCLAS", "DATASUM")
SPECIALS = (np.nan, np.inf, -np.inf, -1, 0, 1, 2**31 - 1, -(2**31), 1e30, 1e300)
BOMB = 2**24
BOMBS = 0.1
"""Of those that chance would have: a bomb takes a second, the others a hundredth."""

Mutation = Callable[[bytes, Generator], bytes]


def originals(example: Path, sums: bool) -> dict[str, bytes]:
    """The four sound files, by name: the example's spectrum, its response at fewer energies, a background of our own.

    example: a PHA file with .arf and .rmf.gz beside it. sums: whether CHECKSUM and DATASUM are written.
    """
    paths = (example, example.with_suffix(".rmf.gz"), example.with_suffix(".arf"))
    with fits.open(paths[0]) as source, fits.open(paths[1]) as rmf, fits.open(paths[2]) as arf:
        hdus = (source, _background(source), _thinned(rmf, "MATRIX"), _thinned(arf, "SPECRESP"))
        return {name: _written(each, sums) for name, each in zip(FILES, hdus, strict=True)}


def mutant(pristine: dict[str, bytes], seed: int, number: int) -> tuple[str, str, bytes]:
    """The name of the file that changes, the name of the mutation, and the changed bytes."""
    rng = np.random.default_rng([seed, number])
    file, mutation = str(rng.choice(FILES)), str(rng.choice(list(MUTATIONS)))
    if mutation == "bomb" and rng.random() > BOMBS:
        mutation = "bit in header"
    return file, mutation, MUTATIONS[mutation](pristine[file], rng)


def truncated(content: bytes, rng: Generator) -> bytes:
    return content[: rng.integers(len(content))]


def bit_in_header(content: bytes, rng: Generator) -> bytes:
    return _flipped(content, _in_header(content, rng), rng)


def bit_in_data(content: bytes, rng: Generator) -> bytes:
    _, start, end = _spans(content)[rng.integers(1, len(_spans(content)))]
    return _flipped(content, int(rng.integers(start, end)), rng)


def run_overwritten(content: bytes, rng: Generator) -> bytes:
    at = _anywhere(content, rng)
    return _put(content, at, rng.bytes(int(rng.integers(2, 65))))


def run_removed(content: bytes, rng: Generator) -> bytes:
    at = _anywhere(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 200)) :]


def run_inserted(content: bytes, rng: Generator) -> bytes:
    at = _anywhere(content, rng)
    return content[:at] + rng.bytes(int(rng.integers(1, 200))) + content[at:]


def blocks_zeroed(content: bytes, rng: Generator) -> bytes:
    at = 2880 * int(rng.integers(len(content) // 2880))
    return _put(content, at, bytes(min(2880 * int(rng.integers(1, 4)), len(content) - at)))


def blocks_swapped(content: bytes, rng: Generator) -> bytes:
    one, other = (2880 * int(k) for k in rng.integers(len(content) // 2880, size=2))
    swapped = _put(content, one, content[other : other + 2880])
    return _put(swapped, other, content[one : one + 2880])


def card_changed(content: bytes, rng: Generator) -> bytes:
    at = _card(content, rng, STRUCTURE if rng.random() < 0.5 else OURS)
    return _put(content, at + 10, f"{rng.choice(VALUES):>20}".ljust(70).encode())


def any_card_changed(content: bytes, rng: Generator) -> bytes:
    return _put(content, _card(content, rng) + 10, f"{rng.choice(VALUES):>20}".ljust(70).encode())


def card_removed(content: bytes, rng: Generator) -> bytes:
    return _put(content, _card(content, rng), b"COMMENT".ljust(80))


def cards_swapped(content: bytes, rng: Generator) -> bytes:
    one, other = _card(content, rng), _card(content, rng)
    return _put(_put(content, one, content[other : other + 80]), other, content[one : one + 80])


def rows_miscounted(content: bytes, rng: Generator) -> bytes:
    rows = int(10.0 ** rng.uniform(0, 18)) * int(rng.choice([1, 1, -1]))
    return _put(content, _card(content, rng, ("NAXIS2",)) + 10, f"{rows:20d}".encode())


def columns_swapped(content: bytes, rng: Generator) -> bytes:
    one, other = _card(content, rng, ("TTYPE",)), _card(content, rng, ("TTYPE",))
    swapped = _put(content, one + 10, content[other + 10 : other + 80])
    return _put(swapped, other + 10, content[one + 10 : one + 80])


def type_changed(content: bytes, rng: Generator) -> bytes:
    value = f"'{rng.choice(FORMATS.split()):8}'"
    return _put(content, _card(content, rng, ("TFORM",)) + 10, value.ljust(70).encode())


def cells_changed(content: bytes, rng: Generator) -> bytes:
    """A column's cells become what numbers should not be: not finite, negative, huge."""
    start, rows, width, columns = _tables(content)[rng.integers(len(_tables(content)))]
    kind, offset = columns[rng.integers(len(columns))]
    with np.errstate(all="ignore"):
        cell = np.asarray([rng.choice(SPECIALS)]).astype(kind).tobytes()
    for row in rng.integers(rows, size=rows if rng.random() < 0.1 else rng.integers(1, 4)):
        content = _put(content, start + int(row) * width + offset, cell)
    return content


def packed_and_damaged(content: bytes, rng: Generator) -> bytes:
    packed = gzip.compress(content, 1, mtime=0)
    return truncated(packed, rng) if rng.random() < 0.5 else _flipped(packed, int(rng.integers(len(packed))), rng)


def bomb(content: bytes, rng: Generator) -> bytes:
    """A small gzip file of 16 to 512 MiB, its table as long as its data in half of the cases."""
    size = BOMB * int(2.0 ** rng.uniform(0, 5))
    if rng.random() < 0.5:
        start, _, width, _ = _tables(content)[0]
        content = _put(
            content[:start], _card(content, rng, ("NAXIS2",), before=start) + 10, f"{size // width:20d}".encode()
        )
    return gzip.compress(content, 1, mtime=0) + _zeros() * (size // BOMB)


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__.replace("_", " "): mutation
    for mutation in (
        truncated, bit_in_header, bit_in_data, run_overwritten, run_removed, run_inserted, blocks_zeroed,
        blocks_swapped, card_changed, any_card_changed, card_removed, cards_swapped, rows_miscounted, columns_swapped,
        type_changed, cells_changed, packed_and_damaged, bomb,
    )
}  # fmt: skip


def _background(source: fits.HDUList) -> fits.HDUList:
    """A background of a hundredth of the source, its errors stated."""
    table = source["SPECTRUM"]
    counts = np.asarray(table.data["COUNTS"], dtype=float) / 100 + 1
    columns = [
        table.columns["CHANNEL"],
        fits.Column("COUNTS", "D", array=counts),
        fits.Column("STAT_ERR", "D", array=np.sqrt(counts)),
        table.columns["QUALITY"],
    ]
    header = table.header.copy(strip=True)
    header.update({"POISSERR": False, "SYS_ERR": 0.0})
    return fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, header=header, name="SPECTRUM")])


def _thinned(hdus: fits.HDUList, name: str) -> fits.HDUList:
    """The response with every THINNED-th energy bin, widened to follow one another."""
    table = hdus[name]
    kept = {column.name: np.array(table.data[column.name][::THINNED]) for column in table.columns}
    kept["ENERG_HI"] = np.append(kept["ENERG_LO"][1:], table.data["ENERG_HI"][-1])
    columns = [
        fits.Column(column.name, column.format, column.unit, array=kept[column.name]) for column in table.columns
    ]
    new = fits.BinTableHDU.from_columns(columns, header=table.header.copy(strip=True), name=name)
    return fits.HDUList([new if hdu is table else hdu for hdu in hdus])


def _written(hdus: fits.HDUList, sums: bool) -> bytes:
    for hdu in hdus:
        for keyword in ("CHECKSUM", "DATASUM"):
            hdu.header.remove(keyword, ignore_missing=True)
    file = io.BytesIO()
    hdus.writeto(file)
    return _with_sums(file.getvalue()) if sums else file.getvalue()


def _with_sums(content: bytes) -> bytes:
    """What is written already: writing changes headers."""
    file = io.BytesIO()
    with fits.open(io.BytesIO(content)) as hdus:
        for hdu in hdus:
            hdu.add_checksum(when=WRITTEN)
        hdus.writeto(file)
    return file.getvalue()


def _put(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def _flipped(content: bytes, at: int, rng: Generator) -> bytes:
    return _put(content, at, bytes([content[at] ^ (1 << int(rng.integers(8)))]))


def _anywhere(content: bytes, rng: Generator) -> int:
    """A place in a header half of the time: most bytes are of the matrix."""
    return _in_header(content, rng) if rng.random() < 0.5 else int(rng.integers(len(content) - 64))


def _in_header(content: bytes, rng: Generator) -> int:
    start, end, _ = _spans(content)[rng.integers(len(_spans(content)))]
    return int(rng.integers(start, end))


def _card(content: bytes, rng: Generator, keywords: tuple[str, ...] = ("",), before: int | None = None) -> int:
    """Where a card with a value begins whose keyword begins with one of these; any card where the file has none."""
    cards = [at for at in _cards(content) if before is None or at < before]
    wanted = [at for at in cards if content[at : at + 8].decode().startswith(keywords)]
    return int(rng.choice(wanted[-1:] if before is not None else wanted or cards))


@lru_cache(maxsize=len(FILES))
def _spans(content: bytes) -> list[tuple[int, int, int]]:
    """Where each HDU's header and data begin and where its data end."""
    with fits.open(io.BytesIO(content)) as hdus:
        places = [hdu.fileinfo() for hdu in hdus]
    return [(place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]) for place in places]


@lru_cache(maxsize=len(FILES))
def _cards(content: bytes) -> list[int]:
    return [
        at for start, end, _ in _spans(content) for at in range(start, end, 80) if content[at + 8 : at + 10] == b"= "
    ]


@lru_cache(maxsize=len(FILES))
def _tables(content: bytes) -> list[tuple[int, int, int, list[tuple[str, int]]]]:
    """Of each table where its data begin, rows, bytes a row, and its columns' types and offsets."""
    with fits.open(io.BytesIO(content)) as hdus:
        return [
            (
                hdu.fileinfo()["datLoc"],
                hdu.header["NAXIS2"],
                hdu.header["NAXIS1"],
                [(kind.base.newbyteorder(">").str, offset) for kind, offset, *_ in hdu.columns.dtype.fields.values()],
            )
            for hdu in hdus
            if isinstance(hdu, fits.BinTableHDU)
        ]


@lru_cache(maxsize=1)
def _zeros() -> bytes:
    return gzip.compress(bytes(BOMB), mtime=0)
