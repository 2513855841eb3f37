"""Lists of spectra, `@list.txt`: a name a line, in whatever encoding an editor or a shell wrote them."""

from __future__ import annotations

import codecs
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

import typer

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, which tell the encoding and are no part of a name."""

MARK = "\ufeff"  # also where lists with one were joined
WINDOWS = "cp1252"
QUOTES = ("'", '"')
SHOWN = 3
"""Lines that are named where some lead to no file."""


@dataclass(frozen=True)
class Entry:
    """A name in a list, and where it stands, as "@list.txt, line 3"."""

    name: Path
    place: str


class Where(Enum):
    """Where a name of a list leads to a file: in the current folder, beside the list, in both to another, nowhere."""

    here = auto()
    beside = auto()
    both = auto()
    nowhere = auto()


class _Found(NamedTuple):
    name: str
    where: Where


def listed(path: Path, tell: Callable[[str], None] = lambda text: None) -> Iterator[Entry]:
    """The names in a list. Lines that begin with # are left out.

    A relative name is looked for in the current folder, then beside the list, which `tell` is told.

    Raises:
        typer.BadParameter: the list cannot be read, or holds no name.
    """
    try:
        lines = re.split(r"\r\n|\r|\n", _text(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"@{path}: the list of files cannot be read ({error})") from None
    names = {k: text for k, line in enumerate(lines, 1) if (text := line.lstrip(MARK).strip()) and text[0] != "#"}
    if not names:
        raise typer.BadParameter(f"@{path}: no spectrum there; the list has no line with a name")
    found = {number: _found(text, path.parent) for number, text in names.items()}
    for note in _notes(found):
        tell(f"@{path}: {note}")
    return (Entry(Path(one.name), f"@{path}, line {number}") for number, one in found.items())


def lists_in(arguments: Iterable[Path]) -> Iterator[Path]:
    """The lists among a command's arguments, and those that they name; of a pipe, which is read but once, it alone."""
    for argument in arguments:
        if str(argument).startswith("@"):
            path = Path(str(argument)[1:])
            yield path
            if path.is_file():
                yield from lists_in(entry.name for entry in listed(path))


def _text(content: bytes) -> str:
    """A list's text; bytes that are no UTF-8 remain as they are, as in names of the file system.

    Raises ValueError for what is no text, or of an encoding that is not certain.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    return content.decode(_wide(content) if 0 in content else "utf-8", "surrogateescape")


def _wide(content: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, told by where its zero bytes are: the upper halves of plain letters.

    Raises ValueError where they leave it open.
    """
    if len(content) % 4 == 0:
        for encoding, upper in (("utf-32-le", (2, 3)), ("utf-32-be", (0, 1))):
            if not any(any(content[k::4]) for k in upper):
                return encoding
    even, odd = 0 in content[::2], 0 in content[1::2]
    if even == odd or len(content) % 2:
        raise ValueError("it is no text, or one in an unknown encoding; save it as UTF-8")
    return "utf-16-be" if even else "utf-16-le"


def _notes(found: Mapping[int, _Found]) -> Iterator[str]:
    """What to tell of a list's names, by line."""
    if beside := sum(one.where is Where.beside for one in found.values()):
        yield f"{beside} of its names are not in the current folder; those beside the list were taken"
    if both := sum(one.where is Where.both for one in found.values()):
        yield f"{both} of its names are in the current folder and beside the list, and differ; the former were taken"
    if missing := [f"{one.name!r} in line {line}" for line, one in found.items() if one.where is Where.nowhere]:
        more = ", ..." if len(missing) > SHOWN else ""
        yield f"no file for {len(missing)} of its names: {', '.join(missing[:SHOWN])}{more}"


def _found(text: str, folder: Path) -> _Found:
    """What a line of a list in that folder means: the first reading that leads to a file, else the likeliest."""
    readings = list(_readings(text))
    here = next(filter(_there, readings), None)
    beside = next(filter(_there, (_beside(name, folder) for name in readings)), None)
    if here is None:
        return _Found(readings[-1], Where.nowhere) if beside is None else _Found(beside, Where.beside)
    return _Found(here, Where.here if beside is None or _same(here, beside) else Where.both)


def _same(one: str, other: str) -> bool:
    """Whether two names that lead somewhere lead to one file; patterns, which lead to many, are not looked at."""
    try:
        return os.path.samefile(_file(one), _file(other))
    except OSError:
        return True


def _beside(name: str, folder: Path) -> str:
    """The name, of a list too, as one of a file in the folder."""
    path = name.removeprefix("@")
    return name[: len(name) - len(path)] + os.path.join(folder, path)


def _readings(text: str) -> Iterator[str]:
    """What a line may mean, the likeliest last: as it stands, in Windows' encoding, without quotes, with / for \\."""
    for name in dict.fromkeys((text, _western(text))):
        yield name
        if len(name) > 1 and name[0] == name[-1] and name[0] in QUOTES:
            name = name[1:-1].strip()
            yield name
        if "\\" in name:
            yield name.replace("\\", "/")


def _western(text: str) -> str:
    """A text that is no UTF-8 as Windows' programs meant it; any other as it is."""
    content = text.encode("utf-8", "surrogateescape")
    if all(not "\udc80" <= letter <= "\udcff" for letter in text):
        return text
    try:
        return content.decode(WINDOWS)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _there(name: str) -> bool:
    """Whether a name leads to a file or folder, with an extension or rows behind it or not, or as a pattern."""
    from xspecnf.errors import InputError
    from xspecnf.rows import split_rows

    try:
        pattern = str(split_rows(name)[0])
        return os.path.exists(_file(name)) or next(glob.iglob(pattern, recursive=True), None) is not None
    except InputError:  # rows that are none
        return False


def _file(name: str) -> Path:
    """The file of a name, or of that of a list, without extension and rows."""
    from xspecnf.rows import split_extension, split_rows

    return split_extension(split_rows(name.removeprefix("@"))[0])[0]
