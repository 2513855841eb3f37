"""`xspecnf models`: what is installed, what it is, and whether it is intact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from xspecnf_cli import own
from xspecnf_cli.errors import Debug, reported
from xspecnf_cli.losses import Target, refuse_losses
from xspecnf_cli.options import Provider, Where
from xspecnf_cli.sheet import Line, Sheet

app = typer.Typer(help="List, show, verify and sign model bundles.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name or a bundle's folder.")]


@app.command("list")
def list_models(debug: Debug = False) -> None:
    """List the shipped models.

    \b
    Example:
      xspecnf models list
    """
    with reported(debug):
        from xspecnf.bundle import load_bundle, shipped_bundles

        for name in shipped_bundles():
            bundle = load_bundle(name)
            typer.echo(f"{bundle.name}  {bundle.version}  {bundle.description}")
        if not shipped_bundles():
            typer.echo("no model is shipped with this installation; `xspecnf export` makes one", err=True)


@app.command()
def show(
    model: Name = "nicer-bhb",
    everything: Annotated[
        bool, typer.Option("--json", help="The whole manifest instead: configuration, every figure.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Show a model: parameters, priors, provenance, figures.

    \b
    Example:
      xspecnf models show nicer-bhb
    """
    with reported(debug):
        from xspecnf.bundle import MANIFEST_FILE, load_bundle

        bundle = load_bundle(model)
        if everything:
            typer.echo((bundle.path / MANIFEST_FILE).read_text(encoding="utf-8").rstrip())
            return
        provenance = {name: value for name, value in bundle.provenance.items() if not isinstance(value, dict | None)}
        Sheet(
            f"{bundle.name} {bundle.version}, {bundle.instrument}: {bundle.description}",
            ("parameter", "scale", "in XSPEC", "prior"),
            tuple((p.name, p.scale, p.xspec, f"{p.low:g} .. {p.high:g} {p.unit}") for p in bundle.parameters),
            (
                *(Line(f"{name.replace('_', ' ')}: {_plain(value)}") for name, value in provenance.items()),
                *(Line(figure) for figure in _figures(bundle.metrics)),
                Line(str(bundle.path), "aside"),
            ),
        ).show()


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """The evaluation's figures in a line each, of the network within the counts that it claims and refined."""
    if "claimed_counts" not in metrics:
        yield "not evaluated: `xspecnf evaluate` measures it"
        return
    low, high = metrics["claimed_counts"]
    for kind, part, counts in (("network", "claimed", f"{low:.0e} - {high:.0e}"), ("refined", "all", "all")):
        if group := metrics.get(kind, {}).get(part):
            error, efficiency = group["coverage"]["marginal"], group["efficiency"]
            yield (
                f"{kind}, {counts} counts: coverage within {error['max']:.3f} of nominal ({error['chance']:.3f} by "
                f"chance, {error['spectra']} spectra), efficiency {efficiency['median']:.2f} "
                f"({efficiency['q05']:.2g} at 5 %)"
            )


@app.command()
def verify(
    model: Name = "nicer-bhb",
    key: Annotated[
        Path | None, typer.Option(help="A public key, PEM: the bundle must be signed by its owner too.")
    ] = None,
    provider: Where = Provider.cpu,
    debug: Debug = False,
) -> None:
    """Check every file of a model, its signature, and run it.

    Example: xspecnf models verify ./bundle --key public.pem
    """
    with reported(debug):
        from xspecnf import load_model
        from xspecnf.bundle import find_bundle
        from xspecnf.verification import verify_graphs

        if key is not None:
            from xspecnf.signature import verify_signature

            verify_signature(find_bundle(model), key)
        loaded = load_model(model, provider.value)
        off = max(verify_graphs(loaded).values(), default=None)
        golden = f", off the golden outputs by {off:.0e} at most" if off is not None else ""
        signed = f"signed by the owner of {key}, " if key else ""
        bundle = loaded.bundle
        files = sum((bundle.path / name).exists() for name in bundle.files)  # installed ones lack what training needs
        typer.echo(f"{bundle.name} {bundle.version}: {signed}{files} files intact, graphs run{golden}")


@app.command()
def sign(
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A bundle's folder.")],
    key: Annotated[Path, typer.Option(help="Your private Ed25519 key, PEM.")],
    debug: Debug = False,
) -> None:
    """Sign a bundle: its manifest, and with it all its files.

    Example: xspecnf models sign ./bundle --key private.pem
    """
    with reported(debug):
        from xspecnf.signature import SIGNATURE_FILE, sign_bundle

        target = Target(bundle / SIGNATURE_FILE, "BUNDLE", own.SIGNATURE)
        refuse_losses([target], [(key, "the private key")])
        typer.echo(f"wrote {sign_bundle(bundle, key)}", err=True)
