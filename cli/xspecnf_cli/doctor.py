"""`xspecnf doctor`: what is installed here, whether it is whole, and whether it gives right answers."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xspecnf_cli.errors import FAILED, Debug, one_line

if TYPE_CHECKING:
    from xspecnf.backends import Backend
    from xspecnf.bundle import Bundle

DEFAULT = "nicer-bhb"
Check = tuple[str, Callable[[], str]]
"""What is looked at, and a function that says what was found, or raises."""

HELPERS = ("test", "docs")
"""Extras of those who work on xspecnf itself."""


def doctor(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="BUNDLE...", help="Folders of further bundles to look at.")
    ] = None,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Time every provider here, and compare it with the golden outputs.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Check this installation.

    Versions, extras, providers, bundles with their checksums, a self-test.

    Example: xspecnf doctor --benchmark
    """
    typer.echo(f"xspecnf {metadata.version('xspecnf')}, Python {platform.python_version()}, {platform.platform()}")
    for line in _versions():
        typer.echo(line)
    failed, seconds = False, dict[str, float]()
    checks = [*_checks(bundles or []), *(_speeds((bundles or [DEFAULT])[0], seconds) if benchmark else ())]
    for name, check in checks:
        try:
            typer.echo(f"{name}: {check()}")
        except Exception as error:  # every check is made, whatever the one before found
            if debug:
                raise
            failed = True
            typer.secho(f"{name}: FAILED: {one_line(error)}", fg="red")
    if seconds:
        typer.echo(f"fastest here: --provider {min(seconds, key=seconds.__getitem__)}")
    typer.secho("something is wrong: see FAILED" if failed else "all is well", fg="red" if failed else "green")
    if failed:
        raise typer.Exit(FAILED)


def _versions() -> Iterator[str]:
    """What is needed and what each extra adds, with the versions that are installed."""
    from xspecnf.extras import installed, requirements

    for extra, asked in requirements().items():
        packages = [f"{r.name} {installed(r.name) or 'not installed'}" for r in asked]
        if packages and extra not in HELPERS:
            yield f"{extra or 'needed'}: {', '.join(packages)}"


def _trials() -> Iterator[Check]:
    """Each extra that is installed, tried; of one that is not whole, what it needs."""
    from xspecnf.trials import TRIALS, attempt, state

    for extra in TRIALS:
        if (wrong := state(extra)) != "not installed":
            yield f"trial of {extra}", partial(str, wrong) if wrong else partial(attempt, extra)


def _checks(folders: list[Path]) -> Iterator[Check]:
    from xspecnf.bundle import shipped_bundles
    from xspecnf.selftest import check_physics

    yield from _trials()
    yield "onnxruntime's reports", _reports
    yield "providers", _providers
    yield "physics", lambda: f"agrees with stored numbers to {check_physics():.0e}"
    for name, folder in shipped_bundles().items():
        yield name, partial(_bundle, folder)
    for folder in folders:
        yield str(folder), partial(_bundle, folder)


def _reports() -> str:
    """Whether onnxruntime may report to its makers from here."""
    from xspecnf.telemetry import VARIABLE, is_off

    return "off" if is_off() else f"ON, as {VARIABLE}={os.environ.get(VARIABLE)} says; unset it or make it 1"


def _providers() -> str:
    from xspecnf.engine import onnxruntime

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


def _speeds(folder: Path | str, seconds: dict[str, float]) -> Iterator[Check]:
    """Each provider that there is, which enters its time into `seconds`."""
    from xspecnf.backends.opening import available
    from xspecnf.bundle import load_bundle
    from xspecnf.errors import BundleError

    try:
        bundle = load_bundle(folder)
    except BundleError:  # which the check of the bundle has said
        return
    for backend in available(bundle):
        yield f"{bundle.name} on {backend.provider}", partial(_speed, bundle, backend, seconds)


def _speed(bundle: Bundle, backend: Backend, seconds: dict[str, float]) -> str:
    from xspecnf.backends.timing import SAMPLES, time_backend
    from xspecnf.golden import check_golden

    try:
        off = max(check_golden(bundle, backend).values(), default=None)
        found = time_backend(bundle, backend)
    except Exception as error:  # a provider that is not to be used is no fault of the installation
        return f"not to be used: {one_line(error)}"
    seconds[backend.provider] = found
    golden = f"off the golden outputs by {off:.0e} at most" if off is not None else "no golden outputs in this bundle"
    return f"{1e3 * found:.1f} ms for a spectrum and {SAMPLES} samples; {golden}"
