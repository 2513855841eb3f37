"""What becomes of each result of a batch: printed, written to its files, entered in the table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from xspecnf_cli import own
from xspecnf_cli.errors import one_line, report
from xspecnf_cli.figures import Figures
from xspecnf_cli.losses import Target
from xspecnf_cli.outputs import Outputs, Writing, written
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
        failed: whether any file did, or one of its outputs.
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
        from xspecnf.formats.columns import row
        from xspecnf.formats.json import record

        outputs = [(file, partial(posterior.save, file)) for file in self.outputs.files(path)]
        figures = self.figures.of(posterior, self.model) if self.figures else ()
        done = self._written(chain(outputs, figures), posterior.file)
        if self.figures is not None and not self.figures.of_each:
            self.rows[posterior.file] = row(posterior)
        self._enter(row(posterior))
        if self.shown == "json":
            typer.echo(json.dumps(record(posterior, done), allow_nan=False))
        elif self.shown == "table":
            table(posterior, done).show()

    def finish(self) -> None:
        """Draw what shows the whole batch."""
        if self.figures is not None:
            history = self.figures.history(list(self.rows.values()), self.model)
            for file in self._written(history, f"{len(self.rows)} files"):
                typer.echo(f"wrote {file}", err=True)

    def _written(self, writings: Iterable[Writing], file: str) -> list[str]:
        done, whole = written(writings, file, self.debug)
        self.failed |= not whole
        return done

    def _enter(self, row: Row) -> None:
        """Put a row into the table; that it is not on the disk yet costs neither the answer nor the other files."""
        if self.catalogue is not None:
            self._written([(self.catalogue.path, partial(self.catalogue.append, row))], str(row["file"]))

    def _take_failure(self, path: Path, failure: Failure) -> None:
        from xspecnf.formats.columns import failed

        if self.debug:
            raise failure.error
        self.failed = True
        report(failure.error, failure.file)
        self._enter(failed(str(path), one_line(failure.error)))
        if self.shown == "json":
            typer.echo(json.dumps({"file": str(path), "error": one_line(failure.error)}))


def table_targets(path: Path | None) -> list[Target]:
    """The table and its journal, to be looked at before any work."""
    if path is None:
        return []
    journal = path.with_name(path.name + ".journal")
    return [Target(path, "--table", own.TABLES[path.suffix.lower()]), Target(journal, "--table", own.JOURNAL)]


def opened(path: Path | None, model: Model, settings: dict[str, object]) -> AbstractContextManager[Catalogue | None]:
    """The batch's table, None where none was asked for; its rows are those of one model and one set of options."""
    if path is None:
        return nullcontext()
    from xspecnf.formats.catalogue import Catalogue

    words = {"model": f"{model.bundle.name}-{model.bundle.version}"} | settings
    text = " ".join(f"{name}={value}" for name, value in words.items() if value is not None)
    return Catalogue(path, model.bundle.parameters, text)


def remaining(
    observations: list[Path], catalogue: Catalogue | None, outputs: Outputs, figures: Figures | None
) -> list[Path]:
    """The observations that the table does not have yet, or that lack a file which is asked for; what is left out is
    said on stderr.
    """
    if catalogue is None:
        return observations

    def done(path: Path) -> bool:
        files = outputs.files(path) + (figures.files(path) if figures else [])
        return path in catalogue and all(file.exists() for file in files)

    todo = [path for path in observations if not done(path)]
    if len(todo) < len(observations):
        left_out = len(observations) - len(todo)
        typer.echo(f"{left_out} of {len(observations)} files are in {catalogue.path} already", err=True)
    return todo
