"""The figures of `xspecnf infer --plot`: corner and spectrum of each observation, or the history of a batch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xspecnf_cli.losses import Target
from xspecnf_cli.outputs import STEM, Writing, checked, refuse_shared, result_targets, target

if TYPE_CHECKING:
    from xspecnf import Model, Posterior
    from xspecnf.formats.columns import Row
    from xspecnf.observation import Observation


@dataclass(frozen=True)
class Figures:
    """What is drawn, and where to.

    Attributes:
        pattern: file with `{stem}` for the observation's name; each figure of an observation adds its kind to the name.
        batch: several observations; without `{stem}` one figure shows the parameters of all.
        unfolded: draw the unfolded spectrum instead of counts.
    """

    pattern: str
    batch: bool
    unfolded: bool

    @classmethod
    def parse(cls, pattern: str | None, observations: Sequence[Path], unfolded: bool) -> Figures | None:
        """Check the suffix, and that no two observations would share a figure; None where there is no pattern.

        Raises:
            typer.BadParameter: wrong usage, exit code 2.
            MissingExtraError: the packages that draw are missing.
        """
        if pattern is None:
            return None
        from xspecnf.plots import check_suffix

        import_corner_alone()
        checked(check_suffix, Path(pattern), "--plot")
        figures = cls(pattern, len(observations) > 1, unfolded)
        if figures.of_each:
            refuse_shared(pattern, observations, "--plot")
        return figures

    @property
    def of_each(self) -> bool:
        """Whether every observation has figures of its own."""
        return not self.batch or STEM in self.pattern

    def files(self, observation: Path) -> list[Path]:
        """The files of one observation's figures: corner and spectrum, or none."""
        if not self.of_each:
            return []
        path = target(self.pattern, observation)
        kinds = ("corner", "unfolded" if self.unfolded else "spectrum")
        return [path.with_name(f"{path.stem}-{kind}{path.suffix}") for kind in kinds]

    def targets(self, observations: Sequence[Path]) -> list[Target]:
        """All files, to be looked at before any work."""
        files = [file for path in observations for file in self.files(path)] if self.of_each else [Path(self.pattern)]
        return result_targets(files, "--plot")

    def check_samples(self, samples: int, parameters: int) -> None:
        """Wrong usage of `--samples`, exit code 2, where they are too few for what is drawn of each observation."""
        if self.of_each:
            check_corner(samples, parameters)

    def of(self, posterior: Posterior, model: Model) -> Iterator[Writing]:
        """One observation's figures, each with what draws it. The posterior must have its observation."""
        obs = posterior.observation
        if obs is not None and self.of_each:
            corner, spectrum = self.files(Path(posterior.file))
            yield corner, partial(_corner, corner, posterior, obs, model)
            yield spectrum, partial(_spectrum, spectrum, posterior, obs, self.unfolded)

    def history(self, rows: Sequence[Row], model: Model) -> Iterator[Writing]:
        """The figure of a batch, its parameters against time, with what draws it."""
        if not self.of_each:
            yield Path(self.pattern), partial(_history, Path(self.pattern), rows, model)


def import_corner_alone() -> None:
    """Import corner as where there is no ArviZ: it would take seconds, and write the day into the user's home.

    corner asks for it to read ArviZ's own objects, and this process has none.
    """
    if "arviz" not in sys.modules and "corner" not in sys.modules:
        sys.modules["arviz"] = None  # type: ignore[assignment]
        with suppress(ImportError):  # which is said where it is needed
            import_module("corner")
        del sys.modules["arviz"]


def check_corner(samples: int, parameters: int) -> None:
    """Wrong usage of `--samples`, exit code 2, where they are too few for a corner plot."""
    from xspecnf.plots.corner import check_samples

    try:
        check_samples(samples, parameters)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--samples") from None


def _corner(file: Path, posterior: Posterior, obs: Observation, model: Model) -> None:
    from xspecnf import plots
    from xspecnf.plots.corner import corner

    refined = posterior.diagnostics.ess is not None
    raw = model.infer(obs, len(posterior.theta), posterior.seed) if refined else None
    plots.save(corner(posterior, raw), file)


def _spectrum(file: Path, posterior: Posterior, obs: Observation, unfolded: bool) -> None:
    from xspecnf import plots
    from xspecnf.plots.spectrum import spectrum

    plots.save(spectrum(posterior, obs, unfolded), file)


def _history(file: Path, rows: Sequence[Row], model: Model) -> None:
    from xspecnf import plots
    from xspecnf.plots.history import history

    plots.save(history(rows, model.bundle.parameters), file)
