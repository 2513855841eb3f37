"""What becomes of each result of a batch: printed, written to its files, entered in the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from xspecnf_cli.errors import one_line, report, wrote
from xspecnf_cli.figures import Figures
from xspecnf_cli.outputs import Outputs
from xspecnf_cli.table import table

if TYPE_CHECKING:
    from xspecnf import Failure, Model, Posterior
    from xspecnf.formats.catalogue import Catalogue
    from xspecnf.formats.columns import Row


Shown = Literal["table", "json", "nothing"]


@dataclass
class Results:
    """Takes results one by one.

    Attributes:
        model: what made them.
        outputs: the files of each result.
        shown: what is printed of each.
        debug: raise a failure's error instead of reporting it.
        catalogue: the open table of the batch, or None.
        figures: what is drawn, or None.
        rows: of the files that were done, for a figure of the batch.
        failed: whether any file did.
    """

    model: Model
    outputs: Outputs
    shown: Shown
    debug: bool
    catalogue: Catalogue | None = None
    figures: Figures | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    failed: bool = False

    def __post_init__(self) -> None:
        if self.catalogue is not None:
            self.rows |= self.catalogue.rows

    def take(self, path: Path, result: Posterior | Failure) -> None:
        """Print, write and enter one result."""
        from xspecnf import Posterior

        if isinstance(result, Posterior):
            self._take_posterior(path, result)
        else:
            self._take_failure(path, result)

    def _take_posterior(self, path: Path, posterior: Posterior) -> None:
        """What cannot be written or drawn costs itself alone: it is told, and the rest is done."""
        from xspecnf.formats.columns import row
        from xspecnf.formats.json import record

        work: dict[Path, Callable[[], None]] = {}
        for target in map(Path, self.outputs.targets(path)):
            work[target] = partial(posterior.save, target)
        if self.figures is not None:
            work |= self.figures.drawings(posterior, self.model)
            self.rows |= {posterior.file: row(posterior)} if not self.figures.of_each else {}
        written = [str(target) for target, write in work.items() if self._done(write, posterior.file, target)]
        if self.catalogue is not None:
            self._done(partial(self.catalogue.append, row(posterior)), posterior.file, self.catalogue.path)
        if self.shown == "json":
            typer.echo(json.dumps(record(posterior, written), allow_nan=False))
        elif self.shown == "table":
            table(posterior, written).show()

    def finish(self) -> None:
        """Draw what shows the whole batch."""
        if self.figures is not None and not self.figures.of_each:
            draw = partial(self.figures.draw_history, list(self.rows.values()), self.model)
            self._done(draw, "history", Path(self.figures.pattern))

    def _done(self, write: Callable[[], None], of: str, target: Path) -> bool:
        """Whether an output could be written."""
        done = wrote(write, of, target, self.debug)
        self.failed |= not done
        return done

    def _take_failure(self, path: Path, failure: Failure) -> None:
        from xspecnf.formats.columns import failed

        if self.debug:
            raise failure.error
        self.failed = True
        report(failure.error, failure.file)
        if self.catalogue is not None:
            self.catalogue.append(failed(str(path), one_line(failure.error)))
        if self.shown == "json":
            typer.echo(json.dumps({"file": str(path), "error": one_line(failure.error)}))


def opened(path: Path | None, model: Model, settings: dict[str, object]) -> AbstractContextManager[Catalogue | None]:
    """The batch's table, None where none was asked for; its rows are those of one model and one set of options."""
    if path is None:
        return nullcontext()
    from xspecnf.formats.catalogue import Catalogue

    words = {"model": f"{model.bundle.name}-{model.bundle.version}"} | settings
    text = " ".join(f"{name}={value}" for name, value in words.items() if value is not None)
    return Catalogue(path, model.bundle.parameters, text)


def remaining(observations: list[Path], catalogue: Catalogue | None) -> list[Path]:
    """The observations that the table does not have yet; what is left out is said on stderr."""
    if catalogue is None:
        return observations
    todo = [path for path in observations if path not in catalogue]
    if len(todo) < len(observations):
        done = len(observations) - len(todo)
        typer.echo(f"{done} of {len(observations)} files are in {catalogue.path} already", err=True)
    return todo
