"""`xspecnf doctor`: what is installed here, whether it is whole, and whether it gives right answers."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, one_line

REQUIREMENT = re.compile(r"""^([\w.-]+)[^;]*(?:;.*extra == ["'](\w+)["'])?""")


def doctor(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="BUNDLE...", help="Folders of further bundles to look at.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Check this installation.

    Versions, providers, bundles with their checksums, a self-test.

    Example: xspecnf doctor
    """
    typer.echo(f"xspecnf {metadata.version('xspecnf')}, Python {platform.python_version()}, {platform.platform()}")
    for extra, packages in _requirements().items():
        typer.echo(f"{extra or 'needed'}: {', '.join(packages)}")
    failed = False
    for name, check in _checks(bundles or []):
        try:
            typer.echo(f"{name}: {check()}")
        except Exception as error:  # every check is made, whatever the one before found
            if debug:
                raise
            failed = True
            typer.echo(f"{name}: FAILED: {one_line(error)}")
    typer.echo("something is wrong: see FAILED" if failed else "all is well")
    if failed:
        raise typer.Exit(FAILED)


def _requirements() -> dict[str, list[str]]:
    """What is needed, under "", and by each extra: names with the versions that are installed."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("xspecnf") or ():
        name, extra = REQUIREMENT.match(requirement).groups()  # type: ignore[union-attr]
        if extra != "test":
            found.setdefault(extra or "", []).append(f"{name} {_version(name)}")
    return found


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _checks(folders: list[Path]) -> Iterator[tuple[str, Callable[[], str]]]:
    from xspecnf.bundle import shipped_bundles
    from xspecnf.selftest import check_physics

    yield "providers", _providers
    yield "physics", lambda: f"agrees with stored numbers to {check_physics():.0e}"
    for name, folder in shipped_bundles().items():
        yield name, partial(_bundle, folder)
    for folder in folders:
        yield str(folder), partial(_bundle, folder)


def _providers() -> str:
    import onnxruntime

    return ", ".join(onnxruntime.get_available_providers())


def _bundle(folder: Path) -> str:
    from xspecnf import load_model
    from xspecnf.selftest import check_inference
    from xspecnf.verification import verify_graphs

    model = load_model(folder, "cpu")
    verify_graphs(model)
    check_inference(model)
    bundle = model.bundle
    return f"{bundle.version}, {len(bundle.files)} files intact, graphs run, known parameters found again"
