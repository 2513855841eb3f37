"""`xspecnf train` and `xspecnf export`: the verbs that need torch, which is imported nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, reported
from xspecnf_cli.options import RealArfs, RealFolder, RealRmf
from xspecnf_cli.progress import stages


def train(
    config: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The run's configuration, a TOML file.")],
    output: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run in it is taken up again.")],
    resume: Annotated[bool, typer.Option("--resume/--restart", help="Go on where the run stopped, or anew.")] = True,
    start: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="Begin with the networks of a bundle's folder, for --real."),
    ] = None,
    real: RealFolder = None,
    real_rmf: RealRmf = None,
    real_arfs: RealArfs = None,
    debug: Debug = False,
) -> None:
    """Train a model from a configuration, in all its stages.

    Hours; after an interruption the same command goes on. --real adds the stage on real spectra, which with --start is
    all that is left to do.

    \b
    Examples:
      xspecnf train nicer-bhb.toml --output runs/nicer-bhb
      xspecnf train nicer-bhb.toml --output runs/mine --start ./bundle --real my-spectra
    """
    with reported(debug), needs_extra("train"), stages() as step:
        from xspecnf_train.real import RealFiles
        from xspecnf_train.run import train as run

        spectra = RealFiles(real, real_rmf, real_arfs) if real else None
        run(config, output, resume, spectra, report=partial(typer.echo, err=True), step=step, start=start)


def export(
    run: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of a finished training run.")],
    output: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    name: Annotated[str | None, typer.Option(help="The bundle's name; by default that of its folder.")] = None,
    coreml: Annotated[bool, typer.Option("--coreml/--no-coreml", help="Write packages for Apple's CoreML too.")] = True,
    debug: Debug = False,
) -> None:
    """Export a training run as a model bundle, verified.

    \b
    Example:
      xspecnf export runs/nicer-bhb --output my-bundle
    """
    with reported(debug), needs_extra("export"):
        from xspecnf_export import export as write

        write(run, output, name, coreml)
    typer.echo(f"wrote {output}", err=True)


@contextmanager
def needs_extra(verb: str) -> Iterator[None]:
    """Say which extra to install when a package of it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0].startswith("xspecnf"):
            raise
        message = f"error: {verb} needs {error.name}, which is not installed; run: pip install 'xspecnf[{verb}]'"
        typer.echo(message, err=True)
        raise typer.Exit(FAILED) from None
