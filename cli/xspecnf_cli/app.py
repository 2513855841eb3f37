"""The `xspecnf` command: one verb a module, put together here."""

from __future__ import annotations

import typer

from xspecnf_cli import build, doctor, evaluate, fit, infer, models, report, simulate

app = typer.Typer(
    help="X-ray spectra of black hole binaries to posteriors, in milliseconds and checked against exact physics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(infer.infer)
app.command()(fit.fit)
app.command()(report.report)
app.command()(simulate.simulate)
app.command()(build.train)
app.command()(build.export)
app.command()(evaluate.evaluate)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry point of the console script."""
    app()
