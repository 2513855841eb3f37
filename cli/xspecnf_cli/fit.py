"""`xspecnf fit`: the maximum-likelihood fit with the exact physics."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, one_line, report, reported
from xspecnf_cli.fit_table import fit_table
from xspecnf_cli.help import RESULTS
from xspecnf_cli.inputs import spectra
from xspecnf_cli.lists import lists_in
from xspecnf_cli.options import (
    Arf,
    Background,
    JsonLines,
    ModelName,
    Observations,
    Quiet,
    ResponseOption,
    Rmf,
    Row,
    Systematic,
)
from xspecnf_cli.outputs import Outputs, written
from xspecnf_cli.progress import progress
from xspecnf_cli.reading import Reading
from xspecnf_cli.results import Shown

if TYPE_CHECKING:
    from xspecnf import Model
    from xspecnf.batch import Job
    from xspecnf.bestfit import BestFit
    from xspecnf.profiles import Profile

SUFFIXES = (".json", ".xcm")


class Start(StrEnum):
    """Where the search for the best fit begins."""

    posterior = "posterior"
    prior = "prior"


def fit(
    observations: Observations,
    model: ModelName = "nicer-bhb",
    start: Annotated[
        Start, typer.Option(help="Search from the network's posterior, or from points all over the prior.")
    ] = Start.posterior,
    profile: Annotated[
        list[float] | None,
        typer.Option(
            metavar="DELTA", help="Intervals where the profile rises by DELTA: 1 (68 %), 2.706 (90 %); repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the network's draws, from which it starts.")] = 0,
    rmf: Rmf = None,
    arf: Arf = None,
    response: ResponseOption = None,
    background: Background = None,
    systematic: Systematic = None,
    row: Row = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Each fit: .json or an XSPEC script .xcm; repeatable; {stem}: its name.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    json_lines: JsonLines = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit spectra by maximum likelihood: parameters, errors, minima.

    \b
    Examples:
      xspecnf fit obs.pha
      xspecnf fit obs.pha --profile 1 --profile 2.706
      xspecnf fit ni*.pha --systematic 0.015 --output "{stem}.xcm"
    """
    arguments, observations = observations, spectra(observations, row, quiet=quiet)
    outputs = Outputs.parse(output or [], observations, check_suffix)
    deltas = tuple(profile or ())
    if not all(delta > 0 for delta in deltas):
        raise typer.BadParameter("DELTA must be positive", param_hint="--profile")
    with reported(debug):
        lists = lists_in(arguments)
        Reading(observations, lists, model, rmf, arf, background).spare(outputs.targets(observations))
        from xspecnf import load_model
        from xspecnf.batch import Job

        job = Job(
            seed=seed,
            rmf=rmf,
            arf=arf,
            background=background,
            systematic=systematic,
            reference_response=response is not None,
        )
        fitter = Fitter(load_model(model), start, deltas, job)
    shown = "json" if json_lines else "nothing" if quiet else "table"
    failed = False
    with reported(debug), progress(len(observations), "fit") as advance:
        for path in observations:
            failed |= not _done(fitter, path, outputs, shown, debug)
            advance()
    if failed:
        raise typer.Exit(FAILED)


def _done(fitter: Fitter, path: Path, outputs: Outputs, shown: Shown, debug: bool) -> bool:
    """Fit one file, print and write what comes out; whatever is wrong with it is reported, so that others are done."""
    try:
        best, profiles = fitter.fit(path)
    except Exception as error:
        if debug:
            raise
        report(error, str(path))
        if shown == "json":
            typer.echo(json.dumps({"file": str(path), "error": one_line(error)}))
        return False
    files = [(file, partial(fitter.write, file, best, profiles)) for file in outputs.files(path)]
    done, whole = written(files, str(path), debug)
    if shown == "json":
        typer.echo(_json(best, profiles, done))
    elif shown == "table":
        fit_table(best, profiles, done).show()
    return whole


@dataclass(frozen=True)
class Fitter:
    """What is done with every file."""

    model: Model
    start: Start
    deltas: tuple[float, ...]
    job: Job

    def fit(self, path: Path) -> tuple[BestFit, list[Profile]]:
        """The best fit of a file and its profiles."""
        from xspecnf.bestfit import fit
        from xspecnf.goodness import doubts
        from xspecnf.profiles import profile

        obs = self.job.read(path, self.model)
        if self.start is Start.posterior:
            best = self.model.fit(obs, self.job.seed)
        else:
            best = fit(obs, parameters=self.model.bundle.parameters)
        best, profiles = profile(obs, replace(best, file=str(path)), self.deltas)
        said = (f"{flag.name}: {flag.reason}" for flag in doubts(obs, best))
        return replace(best, notes=(*best.notes, *said)), profiles

    def write(self, target: Path, best: BestFit, profiles: list[Profile]) -> None:
        """Write one output file of a fit."""
        from xspecnf.atomic import write_atomically
        from xspecnf.formats import xcm

        if target.suffix.lower() == ".xcm":
            xcm.write(best, self.model.bundle.grid.energy_range, target)
        else:
            write_atomically(target, _json(best, profiles, []) + "\n")


def check_suffix(path: Path) -> None:
    """Raise ValueError for a file that a fit cannot be written to."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: no format has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")


def _json(best: BestFit, profiles: list[Profile], outputs: list[str]) -> str:
    from xspecnf.formats.json import fit_record

    return json.dumps(fit_record(best, profiles, outputs), allow_nan=False)
