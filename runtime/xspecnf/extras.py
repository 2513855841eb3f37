"""Packages that not every installation has, imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from xspecnf.errors import MissingExtraError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import `module`, which `purpose` needs and `extra` installs.

    Raises:
        MissingExtraError: it is not installed; the message has the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{purpose} needs {error.name}, which is not installed; run: pip install 'xspecnf[{extra}]'"
        ) from None
