"""A posterior at the ends of its prior's ranges: flat, against an end, inside."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from xspecnf.goodness import _edges, edges
from xspecnf.parameters import BHB_PARAMETERS, from_unit
from xspecnf.verdict import Edges, Thresholds

SHAPES = {
    "nH": lambda u: 0.5 + 0.1 * (u - 0.5),  # well inside
    "Gamma": lambda u: u,  # the prior
    "f_sc": lambda u: 1 - 0.2 * u**2,  # piles up at the upper end
    "kT_disk": lambda u: np.where(u < 0.1, u / 10, 0.6 + 0.01 * u),  # two modes, one at the lower end
    "norm": lambda u: np.ones_like(u),  # at a bound
}


@pytest.mark.parametrize("size", [100, 20_000])
def test_ends(size: int) -> None:
    rng = np.random.default_rng(5)
    u = np.column_stack([shape(rng.random(size)) for shape in SHAPES.values()])
    found = edges(from_unit(u), np.full(size, 1 / size), BHB_PARAMETERS)
    assert found["nH"] == Edges(0, 0, 0)
    assert found["Gamma"].evenness > (0.9 if size > 1000 else 0.5)
    assert found["f_sc"].density > 0.9
    assert found["f_sc"].evenness == 0
    assert found["kT_disk"].mass == pytest.approx(0.1, abs=0.05)
    assert found["kT_disk"].density == pytest.approx(0.1 / 0.9, abs=0.07)
    assert found["norm"] == Edges(pytest.approx(1), pytest.approx(1), 0)


@pytest.mark.parametrize("size", [100, 200, 500, 1000])
def test_a_posterior_that_is_the_prior_is_seen_with_any_number_of_samples(size: int) -> None:
    """And one that is twice as high in the middle as a flat one, and falls to a tenth at its ends, is not."""
    rng = np.random.default_rng(8)
    weights, limit = np.full(size, 1 / size), Thresholds().edge_density
    flat, hill = (
        np.mean([_edges(u(), weights).evenness > limit for _ in range(400)])
        for u in (lambda: rng.random(size), lambda: np.clip(rng.normal(0.5, 0.23, size), 0, 1))
    )
    assert flat > 0.85
    assert hill < 0.05


@pytest.mark.parametrize(("sigmas", "reaches"), [(0.5, True), (1.5, True), (10, False), (20, False)])
def test_a_narrow_posterior_near_an_end_does_not_reach_it(sigmas: float, reaches: bool) -> None:
    """A normal one that many standard deviations from an end, well within the outer 5 % of the range."""
    u = np.random.default_rng(6).normal(sigmas, 1, 4000) * 0.0005
    u = u[u > 0][:2000]
    limits, weights = Thresholds(), np.full(len(u), 1 / len(u))
    for ends in (_edges(u, weights), _edges(1 - u, weights)):
        assert (ends.mass > limits.edge_mass or ends.density > limits.edge_density) == reaches


def test_one_sample_with_all_the_weight_takes_no_memory() -> None:
    """The slices would be a thousand millions, which took a minute and twenty gigabytes."""
    u, weights = np.linspace(0, 1, 1000), np.full(1000, 1e-12)
    u[500], weights[500] = 0.25, 1 - 999e-12
    tracemalloc.start()
    found = _edges(u, weights)
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert largest < 1e6
    assert max(found.mass, found.density, found.evenness) < 1e-8


def test_weights_count() -> None:
    u = np.full((2, 5), 0.5)
    u[1] = 0.001
    found = edges(from_unit(u), np.array([0.75, 0.25]), BHB_PARAMETERS)["nH"]
    assert found.mass == pytest.approx(0.25)
    assert found.density == pytest.approx(1 / 3)
