"""`xspecnf evaluate`: how good a bundle is, measured on fresh simulated spectra and, on request, on real ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.build import needs_extra
from xspecnf_cli.errors import Debug, reported
from xspecnf_cli.options import RealArfs, RealFolder, RealRmf


def evaluate(
    bundle: Annotated[str, typer.Argument(help="A bundle's name or folder.")] = "nicer-bhb",
    spectra: Annotated[int, typer.Option(min=1, help="Simulated spectra.")] = 2160,
    samples: Annotated[int, typer.Option(min=10, help="Posterior samples of each.")] = 1000,
    exact: Annotated[
        int, typer.Option(min=10, help="Samples of each that the exact likelihood is computed for.")
    ] = 250,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 1,
    real: RealFolder = None,
    real_rmf: RealRmf = None,
    real_arfs: RealArfs = None,
    systematic: Annotated[
        float | None, typer.Option(min=0, max=1, help="Fractional systematic error of the real spectra.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")] = None,
    debug: Debug = False,
) -> None:
    """Measure coverage, PGStat and importance efficiency of a bundle; prints JSON.

    Example: xspecnf evaluate nicer-bhb --spectra 500
    """
    with reported(debug), needs_extra("train"):
        from xspecnf import load_model
        from xspecnf_train.evaluate import evaluate as measure
        from xspecnf_train.real import RealFiles

        model = load_model(bundle)
        report = partial(typer.echo, err=True)
        files = RealFiles(real, real_rmf, real_arfs) if real else None
        observations = files.read(systematic, model.reference_response, report) if files else []
        figures = measure(model, spectra, samples, min(exact, samples), seed, observations, report)
        text = json.dumps(figures, indent=1)
        if output:
            output.write_text(text + "\n", encoding="utf-8")
        typer.echo(text)
