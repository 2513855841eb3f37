"""Finding the response and background that belong to a spectrum.

A header's name is tried as given, then relative to the spectrum, then by base name beside it; after that the names
that NICER's tools give to a spectrum's siblings. Each is also tried gzipped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xspecnf.errors import InputError
from xspecnf.ogip import Spectrum, read_spectrum
from xspecnf.rows import split_row, with_row

Kind = Literal["rmf", "arf", "background"]

NO_BACKGROUND = "none"
"""The option that says that there is no background, on purpose."""

TITLES: dict[Kind, str] = {"rmf": "RMF", "arf": "ARF", "background": "background"}
ENDINGS: dict[Kind, tuple[str, ...]] = {
    "rmf": (".rmf", ".rsp"),
    "arf": (".arf",),
    "background": (".bg", "_bg.pha", ".bkg", "_bkg.pha"),
}
# What a spectrum's name may add to the name it shares with its siblings: ni<obs>mpu7_sr.pha, ni<obs>mpu7_bg.pha.
OWN_MARKS = ("_sr", "_rebin", "_grp")


@dataclass(frozen=True)
class Search:
    """A search for one companion file.

    named: the header's name for it, '' where it has none. found: the file, None when every place was empty.
    sibling: whether the spectrum's own name led to it. tried: every place looked at, in order.
    row: of a type II file, None for another.
    """

    kind: Kind
    named: str
    found: Path | None
    sibling: bool
    tried: tuple[Path, ...]
    row: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell the user: a file taken in the place of the one that the header names."""
        if self.found is None or not (self.sibling and self.named):
            return ()
        named = f"the header's {TITLES[self.kind]} {self.named} was not found"
        return (f"{named}; {self.found.name} beside the spectrum was used",)


def search(spectrum: Spectrum, kind: Kind, option: str | Path | None = None) -> Search:
    """Look for a spectrum's companion on disk, or take the user's option for it; nothing is read."""
    if option is not None:
        path, row = split_row(option)
        return Search(kind, str(option), path, sibling=False, tried=(path,), row=row)
    header = {"rmf": spectrum.respfile, "arf": spectrum.ancrfile, "background": spectrum.backfile}[kind]
    named, row = _file_name(header)
    tried: list[Path] = []
    for sibling, places in ((False, _named_places(spectrum.path, named)), (True, _siblings(spectrum.path, kind))):
        for place in places:
            for candidate in (place, place.with_name(place.name + ".gz")):
                if candidate in tried or candidate == spectrum.path:
                    continue
                tried.append(candidate)
                if candidate.is_file():
                    return Search(kind, named, candidate, sibling, tuple(tried), None if sibling else row)
    return Search(kind, named, None, sibling=False, tried=tuple(tried))


@dataclass(frozen=True)
class Companions:
    """A spectrum, as `obs.pha{3}` if of many, and the files that were read with it; None where there is none."""

    spectrum: Path
    rmf: Path | None
    arf: Path | None
    background: Path | None


def companions(
    path: str | Path,
    rmf: str | Path | None = None,
    arf: str | Path | None = None,
    background: str | Path | None = None,
) -> Companions:
    """The files that :func:`xspecnf.read_observation` takes with the same arguments. Raises InputError likewise."""
    spectrum = read_spectrum(path)
    return Companions(
        with_row(spectrum.path, spectrum.row),
        search(spectrum, "rmf", rmf).found,
        search(spectrum, "arf", arf).found,
        None
        if background is not None and str(background).lower() == NO_BACKGROUND
        else search(spectrum, "background", background).found,
    )


def missing(spectrum: Spectrum, result: Search) -> InputError:
    """The error for a response file that is nowhere: what the header says, each place tried, the options to use."""
    header = f"the header names {result.named!r}" if result.named else "the header names none"
    places = ", ".join(str(place) for place in result.tried)
    return InputError(
        f"{spectrum.path}: no {TITLES[result.kind]} found: {header}; tried {places}; give one with --{result.kind}, "
        "or use the model's own reference response with --response bundle"
    )


def _file_name(header: str) -> tuple[str, int | None]:
    """The file that a header's value names, without an extension in brackets, '' for 'none'; the row in braces."""
    row = re.search(r"\{(\d+)\}\s*$", header)
    name = re.sub(r"[\[{].*$", "", header).strip()
    return "" if name.lower() in ("", "none") else name, int(row[1]) if row else None


def _named_places(spectrum: Path, named: str) -> Iterator[Path]:
    """Where a header's name may lie."""
    if named:
        yield Path(named)
        yield spectrum.parent / named
        yield spectrum.parent / Path(named).name


def _siblings(spectrum: Path, kind: Kind) -> Iterator[Path]:
    """The names that a spectrum's own name suggests, beside it."""
    stem = Path(spectrum.name.removesuffix(".gz")).stem
    shared = [stem.removesuffix(mark) for mark in OWN_MARKS if stem.endswith(mark)]
    for base in (stem, *shared):
        for ending in ENDINGS[kind]:
            yield spectrum.with_name(base + ending)
