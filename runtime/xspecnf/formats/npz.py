"""A whole posterior in numpy's own format: the arrays by name, the rest as a JSON text. Nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xspecnf.archive import load_arrays
from xspecnf.atomic import atomically
from xspecnf.errors import InputError

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior

LARGEST = 2**30
"""Bytes of all arrays: some sixteen million samples."""


def write(posterior: Posterior, path: Path) -> None:
    """Write theta (S, 5), log_prob, weights and, where it is known, statistic (S,); "state" holds the rest."""
    from xspecnf.formats.state import arrays, state

    members: dict[str, Any] = {"state": np.array(json.dumps(state(posterior), allow_nan=False)), **arrays(posterior)}
    with atomically(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **members)


def read(path: Path) -> Posterior:
    """The posterior in `path`. Raises InputError where there is none, OSError where there is no file."""
    from xspecnf.formats.state import restored

    try:
        values: dict[str, Any] = load_arrays(path, LARGEST)
        state = json.loads(str(values.pop("state")))
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path}: not a posterior that xspecnf saved ({error}); save it again") from error
    return restored(path, state, values)
