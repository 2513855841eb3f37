"""The `xspecnf` command: one verb a module, put together here."""

from __future__ import annotations

from typing import Annotated

import typer

from xspecnf_cli import build, doctor, evaluate, fit, infer, models, report, simulate
from xspecnf_cli.help import SETTINGS, Verb, Verbs

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"xspecnf {version('xspecnf')}")
        raise typer.Exit


@app.callback()
def xspecnf(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """X-ray spectra of black hole binaries to posteriors, in milliseconds, checked
    against the exact physics. Every verb has examples: xspecnf infer --help

    \b
      xspecnf infer obs.pha                       a posterior and its verdict
      xspecnf infer ni*.pha --table results.fits  many: a table that resumes
      xspecnf report obs.pha --output obs.html    everything on one page
    """


for verb in (infer.infer, fit.fit, report.report, simulate.simulate, build.train, build.export, evaluate.evaluate):
    app.command(cls=Verb, context_settings=SETTINGS)(verb)
app.add_typer(models.app, name="models", context_settings=SETTINGS)
app.command(cls=Verb, context_settings=SETTINGS)(doctor.doctor)
