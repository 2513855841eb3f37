"""`xspecnf models`: what is installed, what it is, and whether it is intact."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xspecnf_cli.errors import Debug, reported

app = typer.Typer(help="The model bundles.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name or a bundle's folder.")]


@app.command("list")
def list_models(debug: Debug = False) -> None:
    """List the shipped models."""
    with reported(debug):
        from xspecnf.bundle import load_bundle, shipped_bundles

        for name in shipped_bundles():
            bundle = load_bundle(name)
            typer.echo(f"{bundle.name}  {bundle.version}  {bundle.description}")
        if not shipped_bundles():
            typer.echo("no model is shipped with this installation; `xspecnf export` makes one", err=True)


@app.command()
def show(model: Name = "nicer-bhb", debug: Debug = False) -> None:
    """Show a model's parameters with their bounds, its provenance and its measured figures."""
    with reported(debug):
        from xspecnf.bundle import load_bundle

        bundle = load_bundle(model)
        typer.echo(f"{bundle.name} {bundle.version}, {bundle.instrument}: {bundle.description}\n{bundle.path}")
        for p in bundle.parameters:
            typer.echo(f"  {p.name:<10}{p.xspec:<22}{p.low:g} .. {p.high:g} {p.unit} ({p.scale})")
        for title, section in (("provenance", bundle.provenance), ("metrics", bundle.metrics)):
            typer.echo(f"{title}: {json.dumps(section, indent=2)}")


@app.command()
def verify(model: Name = "nicer-bhb", debug: Debug = False) -> None:
    """Check every file of a model against the manifest, and run its graphs."""
    with reported(debug):
        from xspecnf import load_model
        from xspecnf.verification import verify_graphs

        loaded = load_model(model, "cpu")
        verify_graphs(loaded)
        typer.echo(f"{loaded.bundle.name} {loaded.bundle.version}: {len(loaded.bundle.files)} files intact, graphs run")
