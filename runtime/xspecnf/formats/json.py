"""A posterior as JSON: the summary object that the command line prints, and in a file the samples and all the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xspecnf.atomic import atomically
from xspecnf.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xspecnf.bestfit import BestFit
    from xspecnf.posterior import Diagnostics, Fit, Posterior
    from xspecnf.predictive import PredictiveCheck
    from xspecnf.profiles import Profile


CHUNK = 10_000
"""Samples that are text in memory at once."""


def record(posterior: Posterior, outputs: Sequence[str] = ()) -> dict[str, Any]:
    """The summary of a posterior as JSON's types; a number that is not finite becomes null."""
    return {
        "file": posterior.file,
        "files": posterior.files.record() if posterior.files else None,
        "model": posterior.model,
        "samples": len(posterior.theta),
        "seed": posterior.seed,
        "parameters": {name: asdict(marginal) for name, marginal in posterior.summary().items()},
        "fit": _fit(posterior.fit),
        "diagnostics": _diagnostics(posterior.diagnostics),
        "notes": list(posterior.notes),
        "outputs": list(outputs),
        "seconds": round(posterior.seconds, 6),
    }


def fit_record(best: BestFit, profiles: Sequence[Profile] = (), outputs: Sequence[str] = ()) -> dict[str, Any]:
    """A best fit with its intervals as JSON's types; what is not finite becomes null."""
    return {
        "file": best.file,
        "files": best.files.record() if best.files else None,
        "parameters": {
            p.name: {
                "best": value,
                "unit": p.unit,
                "curvature": _limits(curved),
                "profiles": {f"{profile.delta:g}": _limits(profile.interval[k]) for profile in profiles},
            }
            for k, (p, value, curved) in enumerate(zip(best.parameters, best.theta, best.interval(), strict=True))
        },
        "fit": {
            "statistic": "pgstat",
            "value": _finite(best.pgstat),
            "dof": best.dof,
            "bins": best.bins,
            "counts": best.counts,
            "minus_two_ln_likelihood": _finite(best.statistic),
        },
        "on_bound": list(best.on_bound),
        "other_minima": [{"theta": list(m.theta), "rise": m.statistic - best.statistic} for m in best.others],
        "evaluations": best.evaluations,
        "notes": list(best.notes),
        "outputs": list(outputs),
        "seconds": round(best.seconds, 6),
    }


def write(posterior: Posterior, path: Path) -> None:
    """Write the summary; under "chain" theta (S x 5) and the arrays beside it; under "state" what else :func:`read`
    needs.
    """
    from xspecnf.formats.state import arrays, state

    head = json.dumps(record(posterior) | {"chain": {"names": list(posterior.names)}}, allow_nan=False)
    with atomically(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(head.removesuffix("}}"))
        for name, values in arrays(posterior).items():
            file.write(f', "{name}": [')
            file.writelines(_items(values))
            file.write("]")
        file.write('}, "state": ' + json.dumps(state(posterior), allow_nan=False) + "}\n")


def _items(values: NDArray[np.float64]) -> Iterator[str]:
    """The items of an array's list, some thousands a text: as Python's numbers they take ten times the memory."""
    for start in range(0, len(values), CHUNK):
        text = json.dumps(values[start : start + CHUNK].tolist(), allow_nan=False)[1:-1]
        yield f", {text}" if start else text


def read(path: Path) -> Posterior:
    """The posterior in `path`. Raises InputError where there is none, OSError where there is no file."""
    from xspecnf.formats.state import ARRAYS, restored

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        chain, state = content["chain"], content["state"]
        values = {name: np.array(chain[name], dtype=np.float64) for name in ARRAYS if name in chain}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a posterior that xspecnf saved ({error}); save it again") from error
    return restored(path, state, values)


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "statistic": fit.statistic,
        "value": _finite(fit.value),
        "dof": fit.dof,
        "reduced": _finite(fit.reduced),
        "bins": fit.bins,
        "counts": fit.counts,
        "best": _finite(fit.best),
        "best_theta": list(fit.best_theta),
    }


def _diagnostics(diagnostics: Diagnostics) -> dict[str, Any]:
    return {
        "predictive": _predictive(diagnostics.predictive),
        "novelty": diagnostics.novelty,
        "ess": diagnostics.ess,
        "efficiency": diagnostics.efficiency,
        "log_evidence": diagnostics.log_evidence,
        "log_evidence_error": diagnostics.log_evidence_error,
        "khat": None if diagnostics.khat is None else _finite(diagnostics.khat),
        "method": diagnostics.method,
        "rounds": diagnostics.rounds,
        "evaluations": diagnostics.evaluations,
        "rhat": None if diagnostics.rhat is None else _finite(diagnostics.rhat),
        "acceptance": diagnostics.acceptance,
        "verdict": diagnostics.verdict,
        "flags": [flag.name for flag in diagnostics.flags],
        "reasons": [flag.reason for flag in diagnostics.flags],
    }


def _limits(interval: NDArray[np.float64]) -> list[float | None]:
    return [_finite(float(end)) for end in interval]


def _predictive(check: PredictiveCheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    residual = {name: _finite(value) for name, value in asdict(check.residual).items()}
    return {"p_total": check.p_total, "p_local": check.p_local, "residual": residual}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
