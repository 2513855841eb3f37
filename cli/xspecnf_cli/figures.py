"""The figures of `xspecnf infer --plot`: corner and spectrum of each observation, or the history of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xspecnf_cli.outputs import STEM, checked, refuse_shared, target

if TYPE_CHECKING:
    from xspecnf import Model, Posterior
    from xspecnf.formats.columns import Row


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

        checked(check_suffix, Path(pattern), "--plot")
        figures = cls(pattern, len(observations) > 1, unfolded)
        if figures.of_each:
            refuse_shared(pattern, observations, "--plot")
        return figures

    @property
    def of_each(self) -> bool:
        """Whether every observation has figures of its own."""
        return not self.batch or STEM in self.pattern

    def draw(self, posterior: Posterior, model: Model) -> list[str]:
        """Draw one observation's figures; returns the files. The posterior must have its observation."""
        from xspecnf import plots
        from xspecnf.plots.corner import corner
        from xspecnf.plots.spectrum import spectrum

        obs = posterior.observation
        if obs is None or not self.of_each:
            return []
        refined = posterior.diagnostics.ess is not None
        raw = model.infer(obs, len(posterior.theta), posterior.seed) if refined else None
        path = target(self.pattern, Path(posterior.file))
        drawn = {
            "corner": corner(posterior, raw),
            "unfolded" if self.unfolded else "spectrum": spectrum(posterior, obs, self.unfolded),
        }
        files = [path.with_name(f"{path.stem}-{kind}{path.suffix}") for kind in drawn]
        for file, figure in zip(files, drawn.values(), strict=True):
            plots.save(figure, file)
        return [str(file) for file in files]

    def draw_history(self, rows: Sequence[Row], model: Model) -> None:
        """Draw the parameters of a batch against time."""
        from xspecnf import plots
        from xspecnf.plots.history import history

        plots.save(history(rows, model.bundle.parameters), Path(self.pattern))
        typer.echo(f"wrote {self.pattern}", err=True)
