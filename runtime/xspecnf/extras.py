"""Packages that not every installation has, imported when something needs them."""

from __future__ import annotations

from functools import cache
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from xspecnf.errors import MissingExtraError

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def require(module: str, extra: str, purpose: str) -> Any:
    """Import `module`, which `purpose` needs and `extra` installs.

    Raises:
        MissingExtraError: it is not installed, too old or broken; the message has the command that repairs it.
    """
    package, install = module.partition(".")[0], f"run: pip install 'xspecnf[{extra}]'"
    if too_old := _too_old(package, extra):
        raise MissingExtraError(f"{purpose} needs {too_old}; {install}")
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{purpose} needs {error.name}, which is not installed; {install}") from None
    except Exception as error:  # a package built for another release of numpy raises what it likes
        said = " ".join(f"{type(error).__name__}: {error}".split())
        again = f"run: pip install --force-reinstall {package}"
        raise MissingExtraError(f"{purpose} needs {package}, which cannot be imported ({said}); {again}") from error


def require_all(modules: tuple[str, ...], extra: str, purpose: str) -> None:
    """Import each of `modules`, so that the work that follows cannot fail for want of one. Raises as `require` does."""
    for module in modules:
        require(module, extra, purpose)


@cache
def requirements() -> dict[str, tuple[Requirement, ...]]:
    """What this xspecnf asks for on this system: under "" always, under each extra's name for that; {} of a bare
    checkout, which has no metadata.
    """
    from packaging.requirements import Requirement

    try:
        texts, extras = metadata.requires("xspecnf") or [], metadata.metadata("xspecnf").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    asked = [Requirement(text) for text in texts]
    always = tuple(r for r in asked if _applies(r, ""))
    return {"": always} | {e: tuple(r for r in asked if r not in always and _applies(r, e)) for e in extras}


def installed(package: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _too_old(package: str, extra: str) -> str:
    """The release that an extra asks for and the one that is here instead, "" where that serves."""
    for requirement in requirements().get(extra, ()):
        found = installed(package) if requirement.name == package else None
        if found is not None and not requirement.specifier.contains(found, prereleases=True):
            return f"{package}{requirement.specifier}, and {found} is installed"
    return ""


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
