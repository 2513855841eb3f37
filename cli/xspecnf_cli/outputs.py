"""Where `xspecnf infer` writes posteriors: checked before any work is done, one file an observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from xspecnf import Posterior

STEM = "{stem}"
_SUFFIXES = (".gz", ".pha", ".pi", ".fits", ".fit", ".jsgrp")


@dataclass(frozen=True)
class Outputs:
    """Patterns of output files; `{stem}` stands for the observation's name without its suffixes."""

    patterns: tuple[str, ...]

    @classmethod
    def parse(cls, patterns: Sequence[str], observations: Sequence[Path]) -> Outputs:
        """Check suffixes, and that no two observations would be written to one file.

        Raises:
            typer.BadParameter: wrong usage, exit code 2.
        """
        from xspecnf.formats import check_suffix

        for pattern in patterns:
            try:
                check_suffix(Path(pattern))
            except ValueError as error:
                raise typer.BadParameter(str(error), param_hint="--output") from None
            targets = [_target(pattern, path) for path in observations]
            if len(set(targets)) < len(targets):
                raise typer.BadParameter(
                    f"{pattern}: {len(targets)} observations would share a file; put {STEM} into the name "
                    "and give spectra with distinct names",
                    param_hint="--output",
                )
        return cls(tuple(patterns))

    def save(self, posterior: Posterior, observation: Path) -> list[str]:
        """Write every pattern's file for one observation; returns their names."""
        targets = [_target(pattern, observation) for pattern in self.patterns]
        for target in targets:
            posterior.save(target)
        return [str(target) for target in targets]


def _target(pattern: str, observation: Path) -> Path:
    stem = observation.name
    while Path(stem).suffix.lower() in _SUFFIXES:
        stem = Path(stem).stem
    return Path(pattern.replace(STEM, stem))
