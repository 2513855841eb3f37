"""The classifier of benchmarks/gold.py against the accuracy that is possible."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from math import erf, sqrt
from pathlib import Path

import numpy as np
import pytest

SIZE = 1000


@pytest.fixture(scope="module")
def c2st() -> Callable[..., float]:
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "gold.py"))["c2st"]


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_normals_apart_are_told_as_well_as_can_be(c2st: Callable[..., float], distance: float) -> None:
    """Along a thin axis of the covariance too: Phi(distance/2) of the samples can be sorted rightly."""
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, SIZE, 5))
    other[:, 0] += distance
    thin = np.diag([1e-4, 1, 1, 1, 1]) @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    possible = (1 + erf(distance / 2 / sqrt(2))) / 2
    assert c2st(one @ thin, other @ thin, seed=1) == pytest.approx(possible, abs=0.05)


def test_equal_moments_do_not_hide_two_modes(c2st: Callable[..., float]) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, SIZE, 5))
    other[:, 0] = rng.choice([-0.98, 0.98], SIZE) + 0.2 * rng.standard_normal(SIZE)
    assert c2st(one, other, seed=1) > 0.7
