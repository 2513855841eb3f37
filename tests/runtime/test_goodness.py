"""A posterior at the ends of its prior's ranges: flat, against an end, inside."""

from __future__ import annotations

import numpy as np
import pytest

from xspecnf.goodness import edges
from xspecnf.parameters import BHB_PARAMETERS, from_unit

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
    assert found["nH"].density == (0, 0)
    assert found["nH"].mass == 0
    assert min(found["Gamma"].density) > (0.9 if size > 1000 else 0.1)
    assert found["f_sc"].density == (0, 1)
    assert found["kT_disk"].mass == pytest.approx(0.1, abs=0.05)
    assert found["kT_disk"].density[0] == pytest.approx(0.1 / 0.9, abs=0.07)
    assert found["norm"].density == (0, 1)
    assert found["norm"].mass == pytest.approx(1)


def test_weights_count() -> None:
    u = np.full((2, 5), 0.5)
    u[1] = 0.001
    found = edges(from_unit(u), np.array([0.75, 0.25]), BHB_PARAMETERS)["nH"]
    assert found.mass == pytest.approx(0.25)
    assert found.density == pytest.approx((1 / 3, 0))
