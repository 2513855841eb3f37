"""`xspecnf infer`: spectra in, posteriors out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, reported
from xspecnf_cli.executors import executor
from xspecnf_cli.figures import Figures
from xspecnf_cli.help import RESULTS
from xspecnf_cli.inputs import spectra
from xspecnf_cli.lists import lists_in
from xspecnf_cli.options import (
    Arf,
    Background,
    Jobs,
    JsonLines,
    Marginal,
    ModelName,
    Observations,
    Provider,
    Quiet,
    ResponseOption,
    Rmf,
    Row,
    Samples,
    Scheduler,
    Seed,
    Systematic,
    Where,
)
from xspecnf_cli.outputs import Outputs, checked
from xspecnf_cli.progress import progress
from xspecnf_cli.reading import Reading
from xspecnf_cli.results import Results, opened, remaining, table_targets


def infer(
    observations: Observations,
    model: ModelName = "nicer-bhb",
    samples: Samples = 1000,
    seed: Seed = 0,
    refine: Annotated[
        bool | None,
        typer.Option("--refine/--no-refine", help="Make the posterior exact; by default for a single spectrum."),
    ] = None,
    rmf: Rmf = None,
    arf: Arf = None,
    response: ResponseOption = None,
    background: Background = None,
    systematic: Systematic = None,
    marginal: Marginal = False,
    row: Row = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Each posterior: .npz, .json, .csv, .fits (XSPEC chain), .nc (ArviZ); repeatable; {stem}: its name.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A row a spectrum: .ecsv, .fits, .parquet; run again, it goes on.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Corner and spectrum: .png, .pdf, .svg; of many without {stem}, a history.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    unfolded: Annotated[
        bool, typer.Option("--unfolded", help="Draw the spectrum unfolded, E F_E.", rich_help_panel=RESULTS)
    ] = False,
    json_lines: JsonLines = False,
    quiet: Quiet = False,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    provider: Where = Provider.auto,
    debug: Debug = False,
) -> None:
    """Infer posteriors of spectra, with goodness of fit and a verdict.

    \b
    Examples:
      xspecnf infer obs.pha
      xspecnf infer obs.pha --output chain.fits --plot "{stem}.png"
      xspecnf infer ni*.pha --refine --systematic 0.015 --table results.fits
      xspecnf infer archive/ --jobs 8 --table results.ecsv
      xspecnf infer @list.txt --json
    """
    from xspecnf.formats import catalogue, check_suffix, needs_observation

    arguments, observations = observations, spectra(observations, row, all_rows=table is not None, quiet=quiet)
    with reported(debug):
        outputs = Outputs.parse(output or [], observations, check_suffix)
        if table is not None:
            checked(catalogue.check_suffix, table, "--table")
        figures = Figures.parse(plot, observations, unfolded)
        targets = [*outputs.targets(observations), *table_targets(table)]
        targets += figures.targets(observations) if figures else []
        Reading(observations, lists_in(arguments), model, rmf, arf, background).spare(targets)
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
    if marginal:  # else left out: a table begun before there was the option goes on
        settings["marginal"] = True
    with reported(debug), executor(jobs, scheduler) as workers:
        from xspecnf import load_model

        loaded = load_model(model, provider.value)
        if figures is not None:
            figures.check_samples(samples, len(loaded.bundle.parameters))
        if workers is None:
            loaded.warm_up()
        with opened(table, loaded, settings) as rows:
            todo = remaining(observations, rows, outputs, figures)
            keep = any(needs_observation(Path(pattern)) for pattern in outputs.patterns)
            keep |= figures is not None and figures.of_each
            batch = loaded.infer_many(todo, executor=workers, keep_observation=keep, **settings)
            results = Results(loaded, outputs, shown, debug, rows, figures)
            with progress(len(todo), "infer") as advance:
                for path, result in zip(todo, batch, strict=True):
                    results.take(path, result)
                    advance()
            results.finish()
    if results.failed:
        raise typer.Exit(FAILED)
