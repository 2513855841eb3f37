"""`xspecnf infer`: spectra in, posteriors out."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, one_line, report, reported
from xspecnf_cli.executors import executor
from xspecnf_cli.options import (
    Arf,
    Background,
    Jobs,
    JsonLines,
    ModelName,
    Observations,
    Provider,
    ResponseOption,
    Rmf,
    Scheduler,
    Seed,
    Systematic,
    Where,
)
from xspecnf_cli.outputs import Outputs
from xspecnf_cli.table import table


def infer(
    observations: Observations,
    model: ModelName = "nicer-bhb",
    samples: Annotated[int, typer.Option(min=1, help="Posterior samples of each observation.")] = 1000,
    seed: Seed = 0,
    rmf: Rmf = None,
    arf: Arf = None,
    response: ResponseOption = None,
    background: Background = None,
    systematic: Systematic = None,
    refine: Annotated[
        bool | None,
        typer.Option("--refine/--no-refine", help="Make the posterior exact; by default for a single spectrum."),
    ] = None,
    provider: Where = Provider.auto,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Write the posterior (.json, .csv); repeatable; {stem}: the input's name."),
    ] = None,
    json_lines: JsonLines = False,
    debug: Debug = False,
) -> None:
    """Infer posteriors of spectra: a table of the parameters, the goodness of fit and a verdict for each."""
    from xspecnf.formats import check_suffix

    outputs = Outputs.parse(output or [], observations, check_suffix)
    with reported(debug), executor(jobs, scheduler) as workers:
        from xspecnf import Failure, load_model
        from xspecnf.formats.json import record

        results = load_model(model, provider.value).infer_many(
            observations,
            samples=samples,
            seed=seed,
            refine=len(observations) == 1 if refine is None else refine,
            executor=workers,
            rmf=rmf,
            arf=arf,
            background=background,
            systematic=systematic,
            reference_response=response is not None,
        )
        failed = False
        for path, result in zip(observations, results, strict=True):
            if isinstance(result, Failure):
                if debug:
                    raise result.error
                failed = True
                report(result.error, result.file)
                if json_lines:
                    typer.echo(json.dumps({"file": str(path), "error": one_line(result.error)}))
                continue
            written = outputs.targets(path)
            for target in written:
                result.save(target)
            if json_lines:
                typer.echo(json.dumps(record(result, written), allow_nan=False))
            else:
                typer.echo(table(result, written))
    if failed:
        raise typer.Exit(FAILED)
