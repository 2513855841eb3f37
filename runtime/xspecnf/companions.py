"""Finding the response, background and correction file that belong to a spectrum.

A relative name in a header means beside the file that has the header. Where nothing is there the base name is tried
beside it, then the folder that a link leads to, then the current folder, which a note says; after that the names that
NICER's tools give to a spectrum's siblings. Each is also tried gzipped. Names written on Windows are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import Any, Literal, Self

from xspecnf.errors import InputError
from xspecnf.fitsfile import same_content
from xspecnf.ogip import Spectrum, read_spectrum
from xspecnf.rows import plain

Kind = Literal["rmf", "arf", "background", "correction"]

NO_BACKGROUND = "none"
"""The option that says that there is no background, on purpose."""

TITLES: dict[Kind, str] = {"rmf": "RMF", "arf": "ARF", "background": "background", "correction": "correction file"}
ENDINGS: dict[Kind, tuple[str, ...]] = {
    "rmf": (".rmf", ".rsp"),
    "arf": (".arf",),
    "background": (".bg", "_bg.pha", ".bkg", "_bkg.pha", "_bg.pi", "_bkg.pi"),
    "correction": (),
}
# What a spectrum's name may add to the name it shares with its siblings: ni<obs>mpu7_sr.pha, ni<obs>mpu7_bg.pha;
# nibackgen3C50 writes <name>_tot.pi and <name>_bkg.pi.
OWN_MARKS = ("_sr", "_rebin", "_grp", "_tot")
GUESSED = " (by the spectrum's name)"
MARKED = re.compile(r"(.*mpu\d+)_sr(\w+)")
"""What nicerl3-spect makes of a name where it is given a suffix; the background has _bg for _sr."""

Place = tuple[Path, str]
"""Where a file may lie, and what to say of it if the header names another place; '' for nothing."""

ELSEWHERE = "is not beside the spectrum; {path}"
SIBLING = "was not found; {name} beside the spectrum"


@dataclass(frozen=True)
class Search:
    """A search for one companion file.

    named: the header's name for it, or the option; '' where there is none.
    found: the file with its extension or row, as `bg.pha{3}`; None when every place was empty.
    why: what led to it: "option", "header" or "name".
    tried: every place looked at, in order.
    notes: what to tell the user: a file from another place than the header names, or one passed over that differs.
    """

    kind: Kind
    named: str
    found: Path | None
    why: str = ""
    tried: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def search(spectrum: Spectrum, kind: Kind, option: str | Path | None = None) -> Search:
    """Look for a spectrum's companion on disk, or take the user's option for it; nothing is read."""
    if option is not None:
        return Search(kind, str(option), Path(option), "option", (Path(option),))
    headers = {
        "rmf": spectrum.respfile,
        "arf": spectrum.ancrfile,
        "background": spectrum.backfile,
        "correction": spectrum.corrfile,
    }
    named = "" if headers[kind].lower() == "none" else headers[kind]
    tried: list[Path] = []
    for why, places in (("header", _named_places(spectrum.path, named)), ("name", _siblings(spectrum.path, kind))):
        if there := list(_existing(places, spectrum.path, tried)):
            return Search(kind, named, there[0][0], why, tuple(tried), tuple(_notes(kind, named, there)))
    return Search(kind, named, None, tried=tuple(tried))


def beside(spectrum: Path, kind: Kind, named: str) -> Path | None:
    """The file of a companion that a header calls `named`, '' for one that it does not name; None where none is there.

    Without extension and row; what `search` finds.
    """
    named = "" if named.lower() == "none" else named
    places = chain(_named_places(spectrum, named), _siblings(spectrum, kind))
    try:
        return next((plain(found) for found, _ in _existing(places, spectrum, [])), None)
    except (InputError, OSError):  # a name that is none
        return None


@dataclass(frozen=True)
class Companions:
    """The files that an observation was read from, with extension and row, as `obs.pha{3}`; None where there is none.

    why: by kind, what led to a file: "option", "header", "name" (a guess by the spectrum's own name), or in words what
    was used for want of one. corrscal: by what the correction's counts were multiplied.
    """

    spectrum: Path
    rmf: Path | None = None
    arf: Path | None = None
    background: Path | None = None
    correction: Path | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    corrscal: float = 1.0

    def words(self) -> tuple[str, ...]:
        """The files that were read with the spectrum, for people; why, where one was guessed."""
        guessed = {kind: GUESSED if why == "name" else "" for kind, why in self.why.items()}
        found = ((title, getattr(self, kind), guessed.get(kind, "")) for kind, title in TITLES.items())
        return tuple(f"{title}: {name}{guess}" for title, name, guess in found if name is not None)

    def record(self) -> dict[str, Any]:
        """As JSON's types: a name by kind, None where there is none; under "why" what led to each."""
        names = {"spectrum": str(self.spectrum)}
        names |= {kind: None if getattr(self, kind) is None else str(getattr(self, kind)) for kind in TITLES}
        return names | {"corrscal": self.corrscal, "why": dict(self.why)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `record`. Raises KeyError, TypeError or ValueError for what is none."""
        found = {kind: Path(record[kind]) for kind in TITLES if record[kind] is not None}
        return cls(Path(record["spectrum"]), **found, why=dict(record["why"]), corrscal=float(record["corrscal"]))


def companions(
    path: str | Path,
    rmf: str | Path | None = None,
    arf: str | Path | None = None,
    background: str | Path | None = None,
) -> Companions:
    """The files that :func:`xspecnf.read_observation` takes with the same arguments. Raises InputError likewise."""
    spectrum = read_spectrum(path)
    searches = [search(spectrum, "rmf", rmf), search(spectrum, "arf", arf), search(spectrum, "correction")]
    if not is_none(background):
        searches.append(search(spectrum, "background", background))
    return used(spectrum, searches)


def used(spectrum: Spectrum, searches: list[Search], why: Mapping[str, str] | None = None) -> Companions:
    """The companions that searches found. why: reasons in words, in place of the searches' own."""
    found = {one.kind: one.found for one in searches if one.found is not None}
    reasons = {one.kind: one.why for one in searches if one.found is not None}
    name, reasons = spectrum.path.with_name(spectrum.name), reasons | dict(why or {})
    return Companions(name, **found, why=reasons, corrscal=spectrum.corrscal if "correction" in found else 1.0)


def is_none(option: str | Path | None) -> bool:
    """Whether an option says that there is no background, which is another thing than no option."""
    return option is not None and str(option).lower() == NO_BACKGROUND


def missing(spectrum: Spectrum, result: Search) -> InputError:
    """The error for a response file that is nowhere: what the header says, each place tried, the options to use."""
    header = f"the header names {result.named!r}" if result.named else "the header names none"
    places = ", ".join(str(place) for place in result.tried)
    return InputError(
        f"{spectrum.path}: no {TITLES[result.kind]} found: {header}; tried {places}; give one with --{result.kind}, "
        "or use the model's own reference response with --response bundle"
    )


def _named_places(spectrum: Path, named: str) -> Iterator[Place]:
    """Where a header's name may lie."""
    if not named:
        return
    windows = PureWindowsPath(named)  # which parts names at / and at \
    beside, relative = spectrum.parent, not (Path(named).is_absolute() or windows.drive)
    if Path(named).is_absolute():
        yield Path(named), ""
    if relative:
        yield beside / named, ""
        yield beside / windows.as_posix(), ""
    yield beside / windows.name, ""
    for elsewhere in (spectrum.resolve().parent / windows.name, *([Path(windows.as_posix())] if relative else [])):
        yield elsewhere, ELSEWHERE
    yield Path(windows.name), ELSEWHERE


def _siblings(spectrum: Path, kind: Kind) -> Iterator[Place]:
    """The names that a spectrum's own name suggests, beside it."""
    stem = Path(spectrum.name.removesuffix(".gz")).stem
    shared = [stem.removesuffix(mark) for mark in OWN_MARKS if stem.endswith(mark)]
    for base in (stem, *shared):
        for ending in ENDINGS[kind]:
            yield spectrum.with_name(base + ending), SIBLING
    if kind == "background" and (marked := MARKED.fullmatch(stem)):
        yield spectrum.with_name(f"{marked[1]}_bg{marked[2]}.pha"), SIBLING


def _existing(places: Iterator[Place], spectrum: Path, tried: list[Path]) -> Iterator[Place]:
    """Those whose files are there, gzipped or not, the spectrum itself left out; `tried` takes every place."""
    for name, fault in places:
        path = plain(name)
        suffix = str(name)[len(str(path)) :]
        for candidate in (path, path.with_name(path.name + ".gz")):
            if candidate in tried or candidate == spectrum:
                continue
            tried.append(candidate)
            if candidate.is_file():
                yield Path(f"{candidate}{suffix}"), fault


def _notes(kind: Kind, named: str, there: list[Place]) -> Iterator[str]:
    """What to say of the first of the files that are there: what of the header is not so, which others differ."""
    (first, fault), *others = there
    if named and fault:
        yield f"the header's {TITLES[kind]} {named} {fault.format(name=first.name, path=first)} was used"
    for other, _ in others:
        if not same_content(plain(first), plain(other)):
            yield f"two files may be the {TITLES[kind]}: {first} was used, not {other}, which is another"
