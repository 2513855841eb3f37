"""Where results are written: checked before any work is done, one file an observation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from xspecnf_cli import own
from xspecnf_cli.errors import report_output
from xspecnf_cli.losses import Target

Writing = tuple[Path, Callable[[], None]]
"""A file, and what writes it."""

STEM = "{stem}"
_SUFFIXES = (".gz", ".pha", ".pi", ".fits", ".fit", ".jsgrp")


@dataclass(frozen=True)
class Outputs:
    """Patterns of output files; `{stem}` stands for the observation's name without its suffixes."""

    patterns: tuple[str, ...]

    @classmethod
    def parse(
        cls, patterns: Sequence[str], observations: Sequence[Path], check_suffix: Callable[[Path], None]
    ) -> Outputs:
        """Check suffixes, for which `check_suffix` raises ValueError, and that no two observations would be written to
        one file.

        Raises:
            typer.BadParameter: wrong usage, exit code 2.
        """
        for pattern in patterns:
            checked(check_suffix, Path(pattern), "--output")
            refuse_shared(pattern, observations, "--output")
        return cls(tuple(patterns))

    def files(self, observation: Path) -> list[Path]:
        """The files of one observation."""
        return [target(pattern, observation) for pattern in self.patterns]

    def targets(self, observations: Sequence[Path]) -> list[Target]:
        """The files of all observations, to be looked at before any work."""
        return result_targets((file for path in observations for file in self.files(path)), "--output")


def result_targets(files: Iterable[Path], option: str) -> list[Target]:
    """Posteriors, fits or figures, to be looked at before any work."""
    return [Target(file, option, own.RESULTS[file.suffix.lower()]) for file in files]


def written(writings: Iterable[Writing], file: str, debug: bool = False) -> tuple[list[str], bool]:
    """Write each; what was written, and whether that is all. What goes wrong with one costs that one, and a line."""
    done, whole = [], True
    for path, write in writings:
        try:
            write()
            done.append(str(path))
        except Exception as error:
            if debug:
                raise
            whole = False
            report_output(error, file, path)
    return done, whole


def checked(check_suffix: Callable[[Path], None], path: Path, option: str) -> None:
    """Wrong usage of `option`, exit code 2, where `check_suffix` raises ValueError for `path`."""
    try:
        check_suffix(path)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def refuse_shared(pattern: str, observations: Sequence[Path], option: str) -> None:
    """Wrong usage of `option`, exit code 2, where two observations would be written to one file."""
    if len({target(pattern, path) for path in observations}) < len(observations):
        raise typer.BadParameter(
            f"{pattern}: {len(observations)} observations would share a file; put {STEM} into the name "
            "and give spectra with distinct names",
            param_hint=option,
        )


def target(pattern: str, observation: Path) -> Path:
    """The file that `pattern` names for an observation; the stem of `obs.pha[SPECTRUM,2]{3}` is obs_SPECTRUM_2_3."""
    from xspecnf.rows import plain

    path = plain(observation)
    stem, behind = path.name, str(observation)[len(str(path)) :]
    while Path(stem).suffix.lower() in _SUFFIXES:
        stem = Path(stem).stem
    words = re.findall(r"\w+", behind)
    return Path(pattern.replace(STEM, "_".join([stem, *words])))
