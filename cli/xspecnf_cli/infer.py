"""`xspecnf infer`: spectra in, posteriors out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, reported
from xspecnf_cli.executors import executor
from xspecnf_cli.figures import Figures
from xspecnf_cli.options import (
    Arf,
    Background,
    Jobs,
    JsonLines,
    ModelName,
    Observations,
    Provider,
    Quiet,
    ResponseOption,
    Rmf,
    Scheduler,
    Seed,
    Systematic,
    Where,
)
from xspecnf_cli.outputs import Outputs, checked
from xspecnf_cli.results import Results, opened, remaining


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
        typer.Option(
            metavar="FILE",
            help="Write each posterior: .npz, .json, .csv, .fits (XSPEC chain), .nc (ArviZ); {stem}: the input's name.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="One row a file: .ecsv, .fits, .parquet; run again, it goes on where it stopped."),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Draw corner and spectrum (.png, .pdf, .svg); of many without {stem}, parameters against time.",
        ),
    ] = None,
    unfolded: Annotated[bool, typer.Option("--unfolded", help="Draw the spectrum unfolded, E F_E.")] = False,
    json_lines: JsonLines = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Infer posteriors of spectra.

    Prints the parameters, the goodness of fit and a verdict for each.

    Example: xspecnf infer ni*.pha --refine --table results.fits --output {stem}.npz
    """
    from xspecnf.formats import catalogue, check_suffix, needs_observation

    with reported(debug):
        outputs = Outputs.parse(output or [], observations, check_suffix)
        if table is not None:
            checked(catalogue.check_suffix, table, "--table")
        figures = Figures.parse(plot, observations, unfolded)
    shown = "json" if json_lines else "nothing" if quiet else "table"
    settings = {
        "samples": samples,
        "seed": seed,
        "refine": len(observations) == 1 if refine is None else refine,
        "rmf": rmf,
        "arf": arf,
        "background": background,
        "systematic": systematic,
        "reference_response": response is not None,
    }
    with reported(debug), executor(jobs, scheduler) as workers:
        from xspecnf import load_model

        loaded = load_model(model, provider.value)
        with opened(table, loaded, settings) as rows:
            todo = remaining(observations, rows)
            keep = any(needs_observation(Path(pattern)) for pattern in outputs.patterns)
            keep |= figures is not None and figures.of_each
            batch = loaded.infer_many(todo, executor=workers, keep_observation=keep, **settings)
            results = Results(loaded, outputs, shown, debug, rows, figures)
            for path, result in zip(todo, batch, strict=True):
                results.take(path, result)
            results.finish()
    if results.failed:
        raise typer.Exit(FAILED)
