"""Lists of spectra, `@list.txt`: a name a line, in whatever encoding an editor or a shell wrote them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, which tell the encoding and are no part of a name."""

WINDOWS = "cp1252"
QUOTES = ("'", '"')


def listed(path: Path, tell: Callable[[str], None]) -> list[Path]:
    """The names in a list. Lines that begin with # are left out.

    A relative name is looked for in the current folder, then beside the list, which `tell` is told.

    Raises:
        typer.BadParameter: the list cannot be read, or holds no name.
    """
    try:
        lines = _lines(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"@{path}: the list of files cannot be read ({error})") from None
    names = [name for line in lines if (text := line.strip()) and not text.startswith("#") for name in [_name(text)]]
    if not names:
        raise typer.BadParameter(f"@{path}: no spectrum there; the list has no line with a name")
    return list(_placed(names, path, tell))


def lists_in(arguments: Iterable[Path]) -> Iterator[Path]:
    """The lists among a command's arguments, and those that they name."""
    for argument in arguments:
        if str(argument).startswith("@"):
            path = Path(str(argument)[1:])
            yield path
            yield from lists_in(listed(path, lambda text: None))


def _lines(content: bytes) -> list[str]:
    """The lines of a text; names that are no UTF-8 are bytes as the file system has them, or Windows' own."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding).splitlines()
    if 0 in content:  # UTF-16 without a mark: every other byte of a name is zero
        last = content[1::2].count(0) > content[::2].count(0)
        return content.decode("utf-16-le" if last else "utf-16-be").splitlines()
    return [_decoded(line) for line in content.splitlines()]


def _decoded(line: bytes) -> str:
    text = os.fsdecode(line)
    if text.isprintable() or _there(Path(text.strip())):
        return text
    return line.decode(WINDOWS, "replace")


def _name(text: str) -> Path:
    """The name in a line; one in quotes that is no file as it stands is taken without them."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES
    return Path(text[1:-1] if quoted and not Path(text).exists() else text)


def _placed(names: list[Path], path: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    beside = 0
    for name in names:
        other = path.parent / name
        if str(name).startswith("@") or _there(name) or not _there(other):
            yield name
        else:
            beside += 1
            yield other
    if beside:
        tell(f"@{path}: {beside} of its names are not in the current folder; those beside the list were taken")


def _there(name: Path) -> bool:
    """Whether a name leads to a file or folder, with an extension or rows behind it or not."""
    from xspecnf.errors import InputError
    from xspecnf.rows import plain, split_rows

    try:
        return name.exists() or plain(split_rows(name)[0]).exists()
    except (InputError, OSError, ValueError):
        return False
