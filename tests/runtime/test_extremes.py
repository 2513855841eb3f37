"""Extremes of data: an answer with the right verdict, or a clear refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from xspecnf import load_model, read_observation
from xspecnf.errors import InputError
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts

TRUTH = (0.6, 2.6, 0.03, 0.32, 1e4)
ONE = np.arange(240) == 100


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(provider="cpu")


@pytest.fixture(scope="module")
def simulated(example: Path) -> Callable[..., Observation]:
    """simulated(theta, exposure=, total=, background=): Poisson counts, scaled to a total, of the example's response.

    background: in units of the source's, of known expectation.
    """
    blank = replace(read_observation(example), good=np.full(240, True), systematic=np.zeros(240), has_background=True)

    def simulate(
        theta: tuple[float, ...] = TRUTH, exposure: float = 1000.0, total: float | None = None, background: float = 0.0
    ) -> Observation:
        source = expected_counts(np.array([theta]), replace(blank, exposure=exposure))[0]
        source *= 1 if total is None else total / source.sum()
        level = np.full(240, background * source.mean())
        counts = np.random.default_rng(0).poisson(np.minimum(source + level, 1e18)).astype(float)
        changes = {"counts": counts, "background": level, "background_error": np.sqrt(level)}
        return replace(blank, exposure=exposure, **changes)

    return simulate


def flags(model: Model, obs: Observation, refine: bool) -> set[str]:
    """Of an answer that is all numbers."""
    post = model.infer(obs, samples=100, refine=refine)
    assert np.isfinite(post.theta).all()
    assert np.isfinite(post.log_prob).all()
    severities = {flag.severity for flag in post.diagnostics.flags}
    assert post.diagnostics.verdict == ("reject" if "reject" in severities else "caution")
    return {flag.name for flag in post.diagnostics.flags}


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("counts", [np.zeros(240), ONE.astype(float)])
def test_no_count_and_one_are_no_signal(model, simulated, counts, refine):
    assert "no-signal" in flags(model, replace(simulated(), counts=counts), refine)


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"exposure": 1e-3}, {"no-signal"}),
        ({"exposure": 1e7}, {"extrapolated"}),
        ({"total": 1e9}, {"extrapolated"}),
        ({"total": 1e6, "background": 1000}, {"background-dominated"}),
        ({"total": 1e3, "background": 1000}, {"no-signal"}),
    ],
)
def test_extreme_conditions_are_named(model, simulated, conditions, expected, refine):
    assert flags(model, simulated(**conditions), refine) >= expected


def test_bins_that_are_bad(model, simulated):
    obs = simulated()
    assert "bad-bins" in flags(model, replace(obs, good=ONE), refine=False)
    with pytest.raises(InputError, match="every bin holds channels of bad quality"):
        model.infer(replace(obs, good=np.full(240, False)))


def test_no_corner_of_the_prior_is_called_good(model, simulated):
    """From nothing at all to more counts than there are stars: each is answered with a doubt or refused."""
    corners = list(product(*((p.low, p.high) for p in model.bundle.parameters)))
    answered = [doubts(model, simulated(corner)) for corner in corners]
    assert all(answered)
    assert answered.count({"refused"}) < len(corners) / 2


def doubts(model: Model, obs: Observation, refine: bool = False) -> set[str]:
    try:
        return flags(model, obs, refine)
    except InputError:
        return {"refused"}


HUGE = {"counts": np.rint(10.0 ** np.linspace(0, 18, 240))}
UNKNOWN = {"background": np.full(240, 1e17), "background_error": np.full(240, 1e18)}
STRONG = {"systematic": np.full(240, 0.99), "exposure": 1e12}
VOID = {"good": np.arange(240) < 200, "counts": np.where(np.arange(240) < 200, 100.0, 1e18)}


@pytest.mark.parametrize("marginal", [False, True])
@pytest.mark.parametrize("changes", [HUGE, UNKNOWN, STRONG, VOID, HUGE | UNKNOWN | STRONG, {"exposure": 1e-30}])
def test_numbers_at_the_end_of_their_range_raise_no_warning(model, simulated, changes, marginal):
    """Whatever a file may hold, up to LARGEST_NUMBER: warnings are errors here."""
    obs = replace(simulated(), marginal=marginal, **changes)
    for refine in (False, True):
        assert doubts(model, obs, refine)


def test_more_counts_than_there_can_be_are_refused(simulated):
    with pytest.raises(InputError, match="background is 1e\\+19 in a bin; check exposures and BACKSCAL"):
        replace(simulated(), background=np.full(240, 1e19))
