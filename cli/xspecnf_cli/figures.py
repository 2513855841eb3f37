"""The figures of `xspecnf infer --plot`: corner and spectrum of each observation, or the history of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
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

    def all(self, observations: Iterable[Path]) -> list[tuple[Path, str]]:
        """The files of all observations, with the option that names them."""
        if not self.of_each:
            return [(Path(self.pattern), "--plot")]
        return [(file, "--plot") for path in observations for file in self.targets(path).values()]

    def targets(self, observation: Path) -> dict[str, Path]:
        """The files of one observation's figures, by kind."""
        path = target(self.pattern, observation)
        kinds = ("corner", "unfolded" if self.unfolded else "spectrum")
        return {kind: path.with_name(f"{path.stem}-{kind}{path.suffix}") for kind in kinds}

    def refuse_few(self, samples: int, parameters: int) -> None:
        """Wrong usage, exit code 2, where so many samples cannot show so many parameters."""
        from xspecnf.plots.corner import too_few

        if self.of_each and (fault := too_few(samples, parameters)):
            raise typer.BadParameter(fault, param_hint="--samples")

    def drawings(self, posterior: Posterior, model: Model) -> dict[Path, Callable[[], None]]:
        """What draws each of one observation's figures, by file. The posterior must have its observation."""
        if posterior.observation is None or not self.of_each:
            return {}
        files = self.targets(Path(posterior.file))
        return {file: partial(self._draw, kind, file, posterior, model) for kind, file in files.items()}

    def _draw(self, kind: str, file: Path, posterior: Posterior, model: Model) -> None:
        from xspecnf import plots
        from xspecnf.plots.corner import corner
        from xspecnf.plots.spectrum import spectrum

        obs = posterior.observation
        assert obs is not None
        if kind == "corner":
            refined = posterior.diagnostics.ess is not None
            raw = model.infer(obs, len(posterior.theta), posterior.seed) if refined else None
            plots.save(corner(posterior, raw), file)
        else:
            plots.save(spectrum(posterior, obs, self.unfolded), file)

    def draw_history(self, rows: Sequence[Row], model: Model) -> None:
        """Draw the parameters of a batch against time."""
        from xspecnf import plots
        from xspecnf.plots.history import history

        plots.save(history(rows, model.bundle.parameters), Path(self.pattern))
        typer.echo(f"wrote {self.pattern}", err=True)
