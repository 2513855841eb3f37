"""Scores to figures: what an evaluation says, as plain numbers for JSON.

Each group of spectra, all of them, those that the bundle's claims are about and every range of counts, gets the
largest deviation of coverage from nominal beside what chance alone would make of it, the PGStat of points of the
posterior and the worth of the weights. Curves and histograms, which only plots need, stand apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.verdict import RELIABLE_KHAT
from xspecnf_train.evaluate.calibration import LEVELS, chance_deviation, chi2_p, coverage, histogram, ks_p
from xspecnf_train.evaluate.population import COUNT_EDGES
from xspecnf_train.evaluate.scores import Scores
from xspecnf_train.evaluate.workers import Judged

Float64 = NDArray[np.float64]

CLAIMED = (1e2, 3e6)
"""Counts that the bundle's claims of calibration are about."""

LEAST_GROUP = 10
"""Spectra; smaller ranges of counts are not reported on."""

NAMES = tuple(parameter.name for parameter in BHB_PARAMETERS)
JOINT = ("tarp", "likelihood")
POINTS = ("sample", "median", "spectrum", "best", "fit", "truth")
MIDDLES = ("sample", "median", "spectrum")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def figures(judged: Judged) -> dict[str, Any]:
    """Figures of the network's posteriors and, if there are any, of the refined ones."""
    return {kind: _groups(scores) for kind, scores in _kinds(judged)}


def plot_figures(judged: Judged) -> dict[str, Any]:
    """The same for plots: coverage and rank histograms in the CLAIMED range, quantiles of the rest by counts."""
    return {kind: _curves(scores) for kind, scores in _kinds(judged)}


def _kinds(judged: Judged) -> Iterator[tuple[str, Scores]]:
    """Scores by name; those of the network learn of the fits that were made beside the refinement."""
    if judged.refined is None:
        yield "network", judged.network
        return
    fit = np.full(len(judged.network), np.nan)
    fit[: len(judged.refined)] = judged.refined.fit
    yield "network", replace(judged.network, fit=fit)
    yield "refined", judged.refined


def _groups(scores: Scores) -> dict[str, Any]:
    result: dict[str, Any] = {"all": _group(scores) | _uniformity(scores)}
    claimed = _claimed(scores)
    if len(claimed) >= LEAST_GROUP:
        result["claimed"] = _group(claimed) | _uniformity(claimed)
    return result | {"by_counts": {name: _group(part) for name, part in _ranges(scores)}}


def _claimed(scores: Scores) -> Scores:
    return scores[(scores.counts >= CLAIMED[0]) & (scores.counts < CLAIMED[1])]


def _ranges(scores: Scores) -> Iterator[tuple[str, Scores]]:
    """The scores of each range of counts that holds enough of them, by the range's name."""
    for low, high in itertools.pairwise(COUNT_EDGES):
        inside = (scores.counts >= low) & (scores.counts < high)
        if inside.sum() >= LEAST_GROUP:
            yield f"{_power(low)} - {_power(high)}", scores[inside]


def _group(scores: Scores) -> dict[str, Any]:
    parts = {
        "coverage": _deviations(scores),
        "coverage_68": {name: _rounded(np.mean(c < 0.68)) for name, c in _credibilities(scores).items()},
        "pgstat": _pgstat(scores),
        "efficiency": _tail(scores.efficiency, 0.05),
        "worth": _tail(scores.worth, 0.05),
        "khat": _khat(scores.khat),
        "evidence": _evidence(scores.evidence_z),
        "seconds": _tail(scores.seconds, 0.95),
    }
    return {"spectra": len(scores), "failed": int(scores.failed.sum())} | {
        name: part for name, part in parts.items() if part
    }


def _ranks(scores: Scores) -> dict[str, Float64]:
    """By quantity, what is uniform on 0..1 for calibrated posteriors, (M,) of the M <= N spectra where it is known."""
    columns = dict(zip(NAMES, scores.ranks.T, strict=True)) | {name: getattr(scores, name) for name in JOINT}
    known = {name: _known(column) for name, column in columns.items()}
    return {name: column for name, column in known.items() if len(column)}


def _credibilities(scores: Scores) -> dict[str, Float64]:
    """By quantity, the credibility at which its region, for a parameter the central interval, reaches the truth."""
    return {name: r if name in JOINT else 2 * np.abs(r - 0.5) for name, r in _ranks(scores).items()}


def _deviations(scores: Scores) -> dict[str, Any]:
    """Largest |coverage - level|, and what chance makes of it: its mean and its 95 % quantile."""
    credibilities = _credibilities(scores)
    result = {}
    for group, names in {"marginal": NAMES, "tarp": ("tarp",), "likelihood": ("likelihood",)}.items():
        if names[0] not in credibilities:
            continue
        spectra = len(credibilities[names[0]])
        largest = max(np.abs(coverage(credibilities[name]) - LEVELS).max() for name in names)
        mean, q95 = chance_deviation(spectra, len(names))
        result[group] = {
            "max": _rounded(largest),
            "chance": _rounded(mean),
            "chance_95": _rounded(q95),
            "spectra": spectra,
        }
    return result


def _uniformity(scores: Scores) -> dict[str, Any]:
    """p-values of the ranks against the uniform law, by quantity."""
    tests = {
        name: {"chi2_p": _rounded(chi2_p(histogram(r))), "ks_p": _rounded(ks_p(r))}
        for name, r in _ranks(scores).items()
    }
    return {"uniformity": tests} if tests else {}


def _pgstat(scores: Scores) -> dict[str, Any]:
    """Reduced PGStat of the points of the posterior, and by how much the means of some exceed that of the best fit.

    All from the same spectra, those where each point that was asked for is known.
    """
    known = {name: np.isfinite(getattr(scores, name)) for name in POINTS}
    known = {name: inside for name, inside in known.items() if inside.any()}
    rows = scores[np.all(list(known.values()), axis=0)] if "sample" in known else scores[:0]
    if len(rows) == 0:
        return {}
    points = {name: getattr(rows, name) for name in known}
    result: dict[str, Any] = {"spectra": len(rows)}
    result |= {name: {"mean": _rounded(v.mean()), "median": _rounded(np.median(v))} for name, v in points.items()}
    if "fit" in points:
        result["above_fit"] = {name: _rounded(points[name].mean() / points["fit"].mean() - 1) for name in MIDDLES}
    return result


def _khat(khat: Float64) -> dict[str, Any]:
    share = {"unreliable": _rounded(np.mean(_known(khat) > RELIABLE_KHAT))} if len(_known(khat)) else {}
    return _tail(khat, 0.95) | share


def _evidence(z: Float64) -> dict[str, Any]:
    """How pairs of independent runs agree: normal z of unit width where the errors of ln Z are right."""
    z = _known(z)
    if len(z) < LEAST_GROUP:
        return {}
    within = {f"within_{k}_sigma": _rounded(np.mean(np.abs(z) < k)) for k in (1, 2, 3)}
    return {"pairs": len(z), "z_rms": _rounded(np.sqrt(np.mean(z**2)))} | within


def _tail(values: Float64, q: float) -> dict[str, Any]:
    """Median and a tail's quantile of what is known."""
    known = _known(values)
    if len(known) == 0:
        return {}
    return {"median": _rounded(np.median(known)), f"q{100 * q:02.0f}": _rounded(np.quantile(known, q))}


def _curves(scores: Scores) -> dict[str, Any]:
    claimed = _claimed(scores)
    return {
        "coverage": {name: _rounded(coverage(c)) for name, c in _credibilities(claimed).items()},
        "spectra": {name: len(c) for name, c in _credibilities(claimed).items()},
        "ranks": {name: histogram(r).tolist() for name, r in _ranks(claimed).items()},
        "efficiency": {name: _quantiles(part.efficiency) for name, part in _ranges(scores)},
        "excess": {
            point: _excess(scores, point)
            for point in (*MIDDLES, "truth")
            if not np.all(np.isnan(getattr(scores, point)))
        },
    }


def _excess(scores: Scores, point: str) -> dict[str, list[float]]:
    """Quantiles of PGStat, not reduced, above the best fit's, by counts and of all."""
    parts = dict(_ranges(scores)) | {"all": scores}
    excess = {name: (getattr(part, point) - part.fit) * part.dof for name, part in parts.items()}
    return {name: _quantiles(values) for name, values in excess.items()}


def _quantiles(values: Float64) -> list[float]:
    """QUANTILES of what is known; nothing if that is nothing."""
    known = _known(values)
    return _rounded(np.quantile(known, QUANTILES)) if len(known) else []


def _known(values: Float64) -> Float64:
    return values[np.isfinite(values)]


def _rounded(values: ArrayLike | None) -> Any:
    """Plain numbers of four digits; None where there is none."""
    if values is None:
        return None
    return [_rounded(v) for v in values] if isinstance(values, np.ndarray) else float(f"{values:.4g}")


def _power(value: float) -> str:
    """1e2 for 100, 1.5e8 for 150 million."""
    mantissa, exponent = f"{value:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
