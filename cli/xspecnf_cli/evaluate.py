"""`xspecnf evaluate`: how good a bundle is, measured on fresh simulated spectra and, on request, on real ones."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xspecnf_cli.build import needs_extra
from xspecnf_cli.errors import Debug, reported
from xspecnf_cli.help import REAL, RESULTS, RUNNING
from xspecnf_cli.options import RealArfs, RealFolder, RealRmf, model_names
from xspecnf_cli.progress import on_terminal, stages
from xspecnf_cli.sheet import terminal
from xspecnf_cli.targets import inputs_of, prepare

if TYPE_CHECKING:
    from xspecnf_train.evaluate import Sizes
    from xspecnf_train.real import RealFiles


def evaluate(
    bundle: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shipped model or a bundle's folder.", autocompletion=model_names)
    ] = "nicer-bhb",
    spectra: Annotated[int, typer.Option(min=1, metavar="N", help="Simulated spectra.")] = 10_000,
    samples: Annotated[int, typer.Option(min=10, metavar="N", help="Posterior samples of each.")] = 500,
    exact: Annotated[int, typer.Option(min=0, metavar="N", help="Spectra judged by the exact physics.")] = 2_000,
    refined: Annotated[int, typer.Option(min=0, metavar="N", help="Spectra that are refined too.")] = 400,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of everything that is drawn.")] = 1,
    marginal: Annotated[
        bool, typer.Option("--marginal", help="Take the likelihood that simulated spectra are drawn from, not PGSTAT.")
    ] = False,
    real: RealFolder = None,
    real_rmf: RealRmf = None,
    real_arfs: RealArfs = None,
    systematic: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="F", help="Their fractional systematic error.", rich_help_panel=REAL),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.", rich_help_panel=RESULTS)
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="FOLDER", help="Write plots as PNG.", rich_help_panel=RESULTS),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON.", rich_help_panel=RESULTS)
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes; by default one a core.", rich_help_panel=RUNNING),
    ] = None,
    debug: Debug = False,
) -> None:
    """Measure a model: calibration, goodness of fit, efficiency.

    Of the network alone and refined, on fresh simulated spectra; prints tables, in Markdown where that is no
    terminal. The second example takes a minute, the first hours.

    \b
    Examples:
      xspecnf evaluate nicer-bhb --output metrics.json --plots plots
      xspecnf evaluate nicer-bhb --spectra 300 --exact 100 --refined 50
      xspecnf evaluate my-bundle --real my-spectra --systematic 0.015
    """
    if output is not None:
        prepare([(output, "--output")], inputs_of([], [], (real_rmf,), bundle))
    with reported(debug), needs_extra("train"):
        from xspecnf.atomic import write_atomically
        from xspecnf_train.evaluate import Sizes

        sizes = Sizes(spectra, samples, min(exact, spectra), min(refined, spectra))
        files = _real_files(real, real_rmf, real_arfs)
        figures = _measured(bundle, sizes, seed, workers or os.cpu_count() or 1, files, systematic, marginal)
        if output:
            write_atomically(output, json.dumps(figures) + "\n")
        _show(figures, as_json)
    if plots:
        with reported(debug), needs_extra("plot"):
            from xspecnf_train.evaluate.plots import save_plots

            for path in save_plots(figures, plots):
                typer.echo(f"wrote {path}", err=True)


def _real_files(folder: Path | None, rmf: Path | None, arfs: Path | None) -> RealFiles | None:
    if folder is None:
        return None
    from xspecnf_train.real import RealFiles

    return RealFiles(folder, rmf, arfs)


def _measured(
    bundle: str,
    sizes: Sizes,
    seed: int,
    workers: int,
    files: RealFiles | None,
    systematic: float | None,
    marginal: bool,
) -> dict[str, Any]:
    from xspecnf import load_model
    from xspecnf_train.evaluate import evaluate as measure

    model = load_model(bundle)
    report = partial(typer.echo, err=True)
    real = files.read(systematic, model.reference_response, report) if files else ()
    with stages() as step:  # a bar says more than lines, where it can be drawn
        told = (lambda _: None) if on_terminal() else report
        return measure(model, sizes, seed, real, workers, told, step, marginal)


def _show(figures: dict[str, Any], as_json: bool) -> None:
    from xspecnf_train.evaluate.markdown import markdown

    if as_json:
        typer.echo(json.dumps(figures))
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        terminal().print(Markdown(markdown(figures)))
    else:
        typer.echo(markdown(figures), nl=False)
