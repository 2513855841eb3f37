"""`xspecnf report`: one observation on one self-contained HTML page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import Debug, reported
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
from xspecnf_cli.targets import inputs_of, prepare


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
    prepare([(output, "--output")], inputs_of([], [observation], (rmf, arf, background), model))
    with reported(debug):
        from dataclasses import replace

        from xspecnf import load_model
        from xspecnf.atomic import write_atomically
        from xspecnf.batch import Job
        from xspecnf.extras import require
        from xspecnf.plots.corner import too_few
        from xspecnf.report import report as page

        require("corner", "plot", "a report")
        loaded = load_model(model, provider.value)
        if fault := too_few(samples, len(loaded.bundle.parameters)):
            raise typer.BadParameter(fault, param_hint="--samples")
        job = Job(samples, seed, refine, rmf, arf, background, systematic, marginal, response is not None)
        obs = job.read(observation, loaded)
        posterior = replace(loaded.infer(obs, samples, seed, refine), file=str(observation))
        raw = loaded.infer(obs, samples, seed) if refine else None
        write_atomically(output, page(posterior, obs, raw, shlex.join(["xspecnf", *sys.argv[1:]])))
    typer.echo(f"wrote {output}", err=True)
