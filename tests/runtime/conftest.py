"""A synthetic observation whose parameters are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xspecnf.bundle import load_bundle
from xspecnf.grid import NICER
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts
from xspecnf.response import Response

TRUTH = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])


def observation(response: Response, exposure: float = 1000.0, seed: int = 0) -> Observation:
    """Poisson counts of TRUTH through `response`, with a flat, perfectly known background of one count a bin."""
    arrays = {"energy_lo": NICER.energy_lo, "energy_hi": NICER.energy_hi, "systematic": np.zeros(240)}
    blank = Observation(
        name="synthetic.pha",
        counts=np.zeros(240),
        background=np.ones(240),
        background_error=np.zeros(240),
        exposure=exposure,
        good=np.ones(240, dtype=bool),
        response=response,
        has_background=True,
        notes=(),
        **arrays,
    )
    counts = np.random.default_rng(seed).poisson(expected_counts(TRUTH, blank)[0] + 1.0).astype(float)
    return Observation(**{**vars(blank), "counts": counts})


@pytest.fixture(scope="session")
def synthetic(tiny_bundle: Path) -> Observation:
    """An observation with its own response, equal to the tiny bundle's but for the name."""
    reference = load_bundle(tiny_bundle).reference_response
    return observation(Response(reference.energy_edges, reference.matrix, "its own"))
