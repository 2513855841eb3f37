"""What lies outside the training's simulator is said in words; what lies inside is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xspecnf.observation import Observation
from xspecnf.training_range import TrainingRange

PROVENANCE: dict[str, Any] = {
    "configuration": {
        "simulator": {
            "exposure": [30.0, 10000.0],
            "counts": [10.0, 1e8],
            "rate_max": 60000.0,
            "detectors": [40, 52],
            "area_scatter": 0.02,
            "systematic": [0.003, 0.03],
            "background_rate": [0.3, 100.0],
        }
    }
}


@pytest.fixture
def known() -> TrainingRange:
    known = TrainingRange.of(PROVENANCE)
    assert known is not None
    return known


def test_an_ordinary_observation_is_inside(known: TrainingRange, synthetic: Observation) -> None:
    """With half of the detectors too: that is an exposure of half the length."""
    half = replace(synthetic, response=synthetic.response.scaled(0.5))
    for obs in (synthetic, half):
        assert list(known.left_by(obs, synthetic.response)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exposure": 1e5}, "100000 s of the reference response"),
        ({"exposure": 20.0}, "20 s of the reference response"),
        ({"counts": np.full(240, 1e6)}, "net counts: 2.4e+08"),
        ({"counts": np.full(240, 4e5)}, "net counts/s of the reference response: 9.6e+04"),
        ({"background": np.full(240, 1e3)}, "background counts/s"),
        ({"systematic": np.full(240, 0.2)}, "systematic error: 0.2"),
    ],
)
def test_each_range(known: TrainingRange, synthetic: Observation, change: dict[str, Any], words: str) -> None:
    obs = replace(synthetic, **change)
    assert any(words in reason for reason in known.left_by(obs, synthetic.response))


def test_an_area_of_another_shape_is_told(known: TrainingRange, synthetic: Observation) -> None:
    slope = np.linspace(0.7, 1.3, 240)
    tilted = replace(synthetic, response=synthetic.response.scaled(slope))
    (reason,) = known.left_by(tilted, synthetic.response)
    assert "shape departs by 30%" in reason


@pytest.mark.parametrize("provenance", [{}, {"configuration": {}}, {"configuration": {"simulator": {"counts": 3}}}])
def test_a_provenance_that_does_not_tell(provenance: dict[str, Any]) -> None:
    assert TrainingRange.of(provenance) is None
