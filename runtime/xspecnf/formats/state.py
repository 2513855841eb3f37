"""Everything of a posterior but its arrays as JSON's types, and back."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from xspecnf.companions import Companions
from xspecnf.errors import InputError
from xspecnf.parameters import Parameter
from xspecnf.posterior import Diagnostics, Fit, Posterior
from xspecnf.predictive import PredictiveCheck, Residual
from xspecnf.verdict import Flag

VERSION = 1
ARRAYS = ("theta", "log_prob", "weights", "statistic")


def state(posterior: Posterior) -> dict[str, Any]:
    """All that is not an array; a number that is not finite is a string, as strict JSON has no name for it."""
    return _without_infinities(
        {
            "version": VERSION,
            "file": posterior.file,
            "model": posterior.model,
            "seed": posterior.seed,
            "parameters": [asdict(parameter) for parameter in posterior.parameters],
            "fit": asdict(posterior.fit),
            "diagnostics": asdict(posterior.diagnostics),
            "seconds": posterior.seconds,
            "notes": list(posterior.notes),
            "mjd": posterior.mjd,
            "files": posterior.files.record() if posterior.files else None,
        }
    )


def arrays(posterior: Posterior) -> dict[str, np.ndarray]:
    """The arrays that there are, by name."""
    return {name: getattr(posterior, name) for name in ARRAYS if getattr(posterior, name) is not None}


def restored(path: Path, content: dict[str, Any], values: dict[str, Any]) -> Posterior:
    """The posterior of a state and its arrays, read from `path`. Raises InputError where they are none."""
    try:
        content = _with_infinities(content)
        if (version := content.pop("version")) != VERSION:
            raise InputError(f"{path}: version {version} of the format, this xspecnf reads {VERSION}; update xspecnf")
        content["parameters"] = tuple(Parameter(**parameter) for parameter in content["parameters"])
        content["fit"] = Fit(**content["fit"] | {"best_theta": tuple(content["fit"]["best_theta"])})
        content["diagnostics"] = _diagnostics(content["diagnostics"])
        content["notes"] = tuple(content["notes"])
        files = content.get("files")  # which 0.1.0 did not write at first
        content["files"] = Companions.of(files) if files else None
        return Posterior(**content, **values)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a posterior that xspecnf saved ({error}); save it again") from error


def _diagnostics(content: dict[str, Any]) -> Diagnostics:
    check = content["predictive"]
    if check is not None:
        check = PredictiveCheck(**check | {"residual": Residual(**check["residual"])})
    flags = tuple(Flag(**flag) for flag in content["flags"])
    return Diagnostics(**content | {"flags": flags, "predictive": check})


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_infinities(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(inner) for inner in value]
    return f"float {value}" if isinstance(value, float) and not math.isfinite(value) else value


def _with_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_infinities(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_infinities(inner) for inner in value]
    return float(value[6:]) if value in ("float nan", "float inf", "float -inf") else value
