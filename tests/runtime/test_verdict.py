"""Each rule of the verdict raises its flag beyond its threshold, and only there, with the severity that it deserves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xspecnf.predictive import PredictiveCheck, Residual
from xspecnf.verdict import Edges, Facts, Thresholds, judge

FITS = PredictiveCheck(0.4, 0.6, Residual(6.2, 6.8, 2.5), statistic=238)
GOOD = Facts(
    counts=10_000,
    background=100,
    bad_fraction=0,
    has_background=True,
    reference_response=False,
    statistic=240,
    dof=235,
    check=FITS,
    signal=(98, 98),
    edges={"nH": Edges(0.0, 0.0, 0.0), "f_sc": Edges(0.01, 0.4, 0.1)},
    ess=800,
    efficiency=0.8,
)


def test_a_good_fit_with_everything_known_is_good() -> None:
    assert judge(GOOD).level == "good"
    assert judge(GOOD).flags == ()
    assert judge(replace(GOOD, ess=None, efficiency=None)).level == "good"


@pytest.mark.parametrize(
    ("changes", "flag", "level"),
    [
        ({"counts": 120, "background": 110, "signal": (0.9, 2.4)}, "no-signal", "reject"),
        ({"counts": 0, "background": 0, "signal": (0, 0)}, "no-signal", "reject"),
        ({"poisson_background": 3.0, "background_share": 0.2}, "poisson-background", "caution"),
        ({"background": 6000}, "background-dominated", "caution"),
        ({"has_background": False, "background": 0}, "no-background", "caution"),
        ({"missing_correction": "corr.pha"}, "no-correction", "caution"),
        ({"reference_response": True}, "reference-response", "caution"),
        ({"bad_fraction": 0.3}, "bad-bins", "caution"),
        ({"bad_fraction": 0.6}, "bad-bins", "reject"),
        ({"check": replace(FITS, p_total=1e-4)}, "misfit", "caution"),
        ({"check": replace(FITS, p_local=1e-9)}, "misfit", "caution"),
        ({"check": replace(FITS, p_total=1e-99, statistic=85 * 235), "statistic": 85 * 235}, "misfit", "reject"),
        ({"check": None}, "misfit", "reject"),
        ({"beyond": ("net counts: 3e+09, above 1.2e+08",)}, "extrapolated", "caution"),
        ({"novelty": 0.0003}, "unlike-training", "caution"),
        ({"statistic": 300}, "missed-peak", "caution"),
        ({"statistic": 85 * 235}, "missed-peak", "reject"),
        ({"statistic": float("nan")}, "misfit", "reject"),
        ({"edges": {"f_sc": Edges(0.2, 0.3, 0.0)}}, "prior-edge", "caution"),
        ({"edges": {"f_sc": Edges(0.02, 0.6, 0.0)}}, "prior-edge", "caution"),
        ({"edges": {"Gamma": Edges(0.02, 0.9, 0.6)}}, "unconstrained", "caution"),
        ({"ess": None, "efficiency": None, "network_efficiency": 0.03}, "approximate", "caution"),
        ({"check": replace(FITS, p_total=0.999)}, "too-close", "caution"),
        ({"acceptance": 0.1}, "outside-prior", "caution"),
        ({"acceptance": 0.1, "ess": None, "efficiency": None}, "outside-prior", "reject"),
        ({"ess": 10, "efficiency": 0.8}, "low-ess", "caution"),
        ({"ess": 40, "efficiency": 0.04}, "low-ess", "caution"),
        ({"ess": 3, "efficiency": 0.003}, "low-ess", "reject"),
        ({"khat": 0.8}, "high-khat", "caution"),
        ({"khat": 1.2}, "high-khat", "reject"),
        ({"khat": None, "evidence_khat": 1.2}, "uncertain-evidence", "caution"),
        ({"evidence_excess": 6.0}, "evidence-mismatch", "caution"),
    ],
)
def test_each_rule(changes: dict[str, Any], flag: str, level: str) -> None:
    verdict = judge(replace(GOOD, **changes))
    assert [found.name for found in verdict.flags] == [flag]
    assert verdict.level == level


LIMITS = Thresholds()
UNREFINED = {"ess": None, "efficiency": None}


@pytest.mark.parametrize(
    ("flag", "limit", "beyond", "facts"),
    [
        ("no-signal", LIMITS.signal_sigma, 0.99, lambda v: {"signal": (0.0, v)}),
        ("background-dominated", LIMITS.background_fraction, 1.01, lambda v: {"background": v * GOOD.counts}),
        (
            "poisson-background",
            LIMITS.poisson_fraction,
            1.01,
            lambda v: {"background_share": v, "poisson_background": 3.0},
        ),
        ("bad-bins", LIMITS.bad_bins, 1.01, lambda v: {"bad_fraction": v}),
        ("unlike-training", LIMITS.novelty, 0.99, lambda v: {"novelty": v}),
        ("misfit", LIMITS.p_total, 0.99, lambda v: {"check": replace(FITS, p_total=v)}),
        ("misfit", LIMITS.p_local, 0.99, lambda v: {"check": replace(FITS, p_local=v)}),
        ("too-close", LIMITS.p_close, 0.99, lambda v: {"check": replace(FITS, p_total=1 - v)}),
        ("missed-peak", LIMITS.misses, 1.01, lambda v: {"statistic": FITS.statistic + v}),
        ("prior-edge", LIMITS.edge_mass, 1.01, lambda v: {"edges": {"nH": Edges(v, 0.0, 0.0)}}),
        ("prior-edge", LIMITS.edge_density, 1.01, lambda v: {"edges": {"nH": Edges(0.0, v, 0.0)}}),
        ("unconstrained", LIMITS.edge_density, 1.01, lambda v: {"edges": {"nH": Edges(0.0, 1.0, v)}}),
        ("outside-prior", LIMITS.acceptance, 0.99, lambda v: {"acceptance": v}),
        ("approximate", LIMITS.network_efficiency, 0.99, lambda v: {"network_efficiency": v, **UNREFINED}),
        ("low-ess", LIMITS.efficiency, 0.99, lambda v: {"efficiency": v}),
        ("low-ess", LIMITS.ess_reject, 0.99, lambda v: {"ess": v}),
        ("high-khat", LIMITS.khat, 1.01, lambda v: {"khat": v}),
        ("uncertain-evidence", LIMITS.khat, 1.01, lambda v: {"khat": None, "evidence_khat": v}),
        ("evidence-mismatch", LIMITS.evidence_sigma, 1.01, lambda v: {"evidence_excess": v}),
    ],
)
def test_a_flag_is_raised_from_its_threshold_on(flag: str, limit: float, beyond: float, facts: Any) -> None:
    raised = [{found.name for found in judge(replace(GOOD, **facts(limit * b))).flags} for b in (beyond, 2 - beyond)]
    assert flag in raised[0]
    assert flag not in raised[1]


@pytest.mark.parametrize(
    ("flag", "limit", "facts"),
    [
        ("misfit", LIMITS.misfit_reject, lambda v: {"check": replace(FITS, p_total=0, statistic=v * GOOD.dof)}),
        ("missed-peak", LIMITS.misfit_reject, lambda v: {"statistic": v * GOOD.dof}),
        ("bad-bins", LIMITS.bad_bins_reject, lambda v: {"bad_fraction": v}),
        ("high-khat", LIMITS.khat_reject, lambda v: {"khat": v}),
        ("low-ess", 1 / LIMITS.ess_reject, lambda v: {"ess": 1 / v, "efficiency": 0.01}),
    ],
)
def test_a_caution_becomes_a_rejection(flag: str, limit: float, facts: Any) -> None:
    for factor, severity in ((0.99, "caution"), (1.01, "reject")):
        found = {found.name: found.severity for found in judge(replace(GOOD, **facts(factor * limit))).flags}
        assert found[flag] == severity


def test_without_degrees_of_freedom_nothing_is_said_of_the_fit() -> None:
    assert judge(replace(GOOD, dof=0, check=None)).level == "good"


@pytest.mark.parametrize(
    "changes",
    [
        {"signal": (2.0, 7.0)},  # a soft source that the sum over the band drowns
        {"poisson_background": 3.0},  # of a background that hardly matters
        {"ess": None, "efficiency": None, "network_efficiency": 0.3},
    ],
)
def test_what_is_sound_raises_no_flag(changes: dict[str, Any]) -> None:
    assert judge(replace(GOOD, **changes)).level == "good"


def test_a_background_above_the_data_is_said() -> None:
    verdict = judge(replace(GOOD, counts=1000, background=2000, signal=(-20.0, 1.0)))
    assert verdict.flags[0].reason == "the background lies 20.0 sigma above the counts, by 1000"


def test_the_worst_flag_decides_and_every_reason_is_named() -> None:
    hopeless = replace(FITS, p_total=1e-99, statistic=85 * 235)
    verdict = judge(replace(GOOD, check=hopeless, has_background=False, edges={"f_sc": Edges(0.9, 1, 0)}))
    assert verdict.level == "reject"
    assert [flag.name for flag in verdict.flags] == ["no-background", "misfit", "prior-edge"]
    assert "f_sc" in verdict.flags[-1].reason


def test_thresholds_are_checked_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="positive"):
        Thresholds(edge_mass=0)
    assert judge(replace(GOOD, check=replace(FITS, p_total=1e-4)), Thresholds(p_total=1e-5)).level == "good"


def test_a_misfit_is_told_in_words() -> None:
    line = PredictiveCheck(0.2, 1e-30, Residual(6.15, 6.95, 12.2), statistic=260)
    (flag,) = judge(replace(GOOD, check=line)).flags
    assert "p < 1e-06, largest excess of counts at 6.15-6.95 keV (+12.2 sigma)" in flag.reason
