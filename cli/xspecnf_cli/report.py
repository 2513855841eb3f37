"""`xspecnf report`: one observation on one self-contained HTML page."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xspecnf_cli import own
from xspecnf_cli.errors import FAILED, Debug, report_output, reported
from xspecnf_cli.figures import check_corner, import_corner_alone
from xspecnf_cli.losses import Target
from xspecnf_cli.options import (
    Arf,
    Background,
    Marginal,
    ModelName,
    Observation,
    Provider,
    ResponseOption,
    Rmf,
    Samples,
    Seed,
    Systematic,
    Where,
)
from xspecnf_cli.outputs import written
from xspecnf_cli.reading import Reading
from xspecnf_cli.table import table

if TYPE_CHECKING:
    from xspecnf import Posterior
    from xspecnf.observation import Observation as Observed


def report(
    observation: Observation,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write; it needs no network.")],
    model: ModelName = "nicer-bhb",
    samples: Samples = 1000,
    seed: Seed = 0,
    refine: Annotated[bool, typer.Option("--refine/--no-refine", help="Make the posterior exact.")] = True,
    rmf: Rmf = None,
    arf: Arf = None,
    response: ResponseOption = None,
    background: Background = None,
    systematic: Systematic = None,
    marginal: Marginal = False,
    provider: Where = Provider.auto,
    debug: Debug = False,
) -> None:
    """Write everything on one HTML page: verdict, parameters, figures.

    It needs no network, and says what to do about each reason of the verdict.

    \b
    Examples:
      xspecnf report obs.pha --output report.html
      xspecnf report obs.pha --systematic 0.015 --output report.html
    """
    with reported(debug):
        from xspecnf.plots import check_packages

        import_corner_alone()
        check_packages("a report")
        reading = Reading([observation], model=model, rmf=rmf, arf=arf, background=background)
        reading.spare([Target(output, "--output", own.PAGE)])
        from xspecnf import load_model
        from xspecnf.batch import Job

        loaded = load_model(model, provider.value)
        check_corner(samples, len(loaded.bundle.parameters))
        job = Job(samples, seed, refine, rmf, arf, background, systematic, marginal, response is not None)
        obs = job.read(observation, loaded)
        posterior = replace(loaded.infer(obs, samples, seed, refine), file=str(observation))
        raw = loaded.infer(obs, samples, seed) if refine else None
        whole = _written(output, posterior, obs, raw, debug)
    if not whole:
        raise typer.Exit(FAILED)


def _written(output: Path, posterior: Posterior, obs: Observed, raw: Posterior | None, debug: bool) -> bool:
    """Write the page; whether all of it could be. Where it cannot be written the answer is printed instead."""
    from xspecnf.atomic import write_atomically
    from xspecnf.report import report as page

    lost: list[Exception] = []
    text = page(posterior, obs, raw, shlex.join(["xspecnf", *sys.argv[1:]]), None if debug else lost.append)
    for error in lost:
        report_output(error, posterior.file, f"{output}, a figure")
    done, whole = written([(output, partial(write_atomically, output, text))], posterior.file, debug)
    if whole:
        typer.echo(f"wrote {done[0]}", err=True)
    else:
        table(posterior).show()
    return whole and not lost
