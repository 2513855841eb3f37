"""`xspecnf evaluate`: how good a bundle is, measured on fresh simulated spectra and, on request, on real ones."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xspecnf_cli import own
from xspecnf_cli.build import needs_extra
from xspecnf_cli.errors import FAILED, Debug, reported
from xspecnf_cli.help import REAL, RESULTS, RUNNING
from xspecnf_cli.losses import Target, refuse_losses
from xspecnf_cli.options import RealArfs, RealFolder, RealRmf, model_names
from xspecnf_cli.outputs import Writing, result_targets, written
from xspecnf_cli.progress import on_terminal, stages
from xspecnf_cli.reading import bundle_files
from xspecnf_cli.sheet import terminal

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
    with reported(debug), needs_extra("train"):
        from xspecnf_train.evaluate import Sizes

        _spare(bundle, output, plots, (real, real_rmf, real_arfs))

        sizes = Sizes(spectra, samples, min(exact, spectra), min(refined, spectra))
        files = _real_files(real, real_rmf, real_arfs)
        figures = _measured(bundle, sizes, seed, workers or os.cpu_count() or 1, files, systematic, marginal)
        _show(figures, as_json)
        _, whole = written(_writings(figures, output, plots), bundle, debug)
    if not whole:
        raise typer.Exit(FAILED)


def _spare(bundle: str, output: Path | None, plots: Path | None, real: tuple[Path | None, ...]) -> None:
    """Wrong usage, exit code 2, where the files would take the place of what is read or of another's; hours later it
    would be too late. Raises MissingExtraError where plots cannot be drawn.
    """
    targets = [Target(output, "--output", own.FIGURES)] if output else []
    if plots:
        from xspecnf.plots import check_packages
        from xspecnf_train.evaluate.plots import files

        check_packages("a plot")
        targets += result_targets(files(plots), "--plots")
    read = (file for path in real if path for file in (path.rglob("*") if path.is_dir() else (path,)))
    refuse_losses(targets, chain(bundle_files(bundle), ((file, "the file") for file in read)))


def _writings(figures: dict[str, Any], output: Path | None, plots: Path | None) -> Iterator[Writing]:
    """The files that were asked for, each with what writes it."""
    from xspecnf.atomic import write_atomically

    if output:
        yield output, partial(write_atomically, output, json.dumps(figures) + "\n")
    if plots:
        from xspecnf_train.evaluate.plots import files

        yield from ((file, partial(_plot, figures, file)) for file in files(plots))


def _plot(figures: dict[str, Any], file: Path) -> None:
    from xspecnf_train.evaluate.plots import save_plot

    if save_plot(figures, file):
        typer.echo(f"wrote {file}", err=True)


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
