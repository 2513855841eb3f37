"""`xspecnf infer`: spectra in, posteriors out."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, one_line, report, reported
from xspecnf_cli.outputs import Outputs
from xspecnf_cli.table import table


class Provider(StrEnum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class ResponseSource(StrEnum):
    """Where a response comes from when the files give none."""

    bundle = "bundle"


def infer(
    observations: Annotated[list[Path], typer.Argument(metavar="OBS.pha...", help="PHA spectra, gzipped or not.")],
    model: Annotated[str, typer.Option(help="A shipped model's name or a bundle's folder.")] = "nicer-bhb",
    samples: Annotated[int, typer.Option(min=1, help="Posterior samples of each observation.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same samples.")] = 0,
    rmf: Annotated[Path | None, typer.Option(help="Redistribution matrix, in place of the header's.")] = None,
    arf: Annotated[Path | None, typer.Option(help="Effective area, in place of the header's.")] = None,
    response: Annotated[
        ResponseSource | None, typer.Option(help="'bundle': the model's reference response where the files give none.")
    ] = None,
    background: Annotated[
        str | None, typer.Option(metavar="FILE|none", help="Background in place of the header's, or 'none'.")
    ] = None,
    systematic: Annotated[
        float | None, typer.Option(min=0, max=0.5, help="Fractional systematic error, in place of the file's.")
    ] = None,
    refine: Annotated[
        bool | None,
        typer.Option("--refine/--no-refine", help="Make the posterior exact; by default for a single spectrum."),
    ] = None,
    provider: Annotated[Provider, typer.Option(help="Where the networks run.")] = Provider.auto,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Write the posterior (.json, .csv); repeatable; {stem}: the input's name."),
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object an observation on stdout.")] = False,
    debug: Debug = False,
) -> None:
    """Infer posteriors of spectra: a table of the parameters, the goodness of fit and a verdict for each."""
    outputs = Outputs.parse(output or [], observations)
    with reported(debug):
        from xspecnf import Failure, load_model
        from xspecnf.formats.json import record

        results = load_model(model, provider.value).infer_many(
            observations,
            samples=samples,
            seed=seed,
            refine=len(observations) == 1 if refine is None else refine,
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
            written = outputs.save(result, path)
            if json_lines:
                typer.echo(json.dumps(record(result, written), allow_nan=False))
            else:
                typer.echo(table(result, written))
    if failed:
        raise typer.Exit(FAILED)
