"""Does this installation give right answers? The physics against stored numbers, a bundle against a known truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xspecnf.errors import BundleError, XspecnfError
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts, photons

TRUTH = (0.5, 1.7, 0.3, 0.2, 1e4)
EDGES = 0.002 * 1e5 ** (np.arange(960, 1481) / 2000)  # keV: 0.502, 2 and 10.02 are among them
SOFT = 240  # bins below 2 keV
GOLDEN = (0.24944115552950274, 0.19308651280603822)
"""Photons/cm^2/s of TRUTH below and above 2 keV, by an independent program in float64."""

TOLERANCE = 1e-4  # the physics is tabulated to a few 1e-5
EXPOSURE, SAMPLES = 1000.0, 500
TAIL = 1e-3
"""The truth must not lie further out in any marginal; data without noise leave it near the middle."""


def check_physics() -> float:
    """The largest relative deviation from GOLDEN. Raises XspecnfError where it is above TOLERANCE."""
    spectrum = photons(np.array([TRUTH]), EDGES)[0]
    found = np.array([spectrum[:SOFT].sum(), spectrum[SOFT:].sum()])
    deviation = float(np.abs(found / GOLDEN - 1).max())
    if not deviation < TOLERANCE:
        raise XspecnfError(
            f"the physics is off by {deviation:.1e}, allowed are {TOLERANCE:.0e}: install xspecnf and numpy again"
        )
    return deviation


def check_inference(model: Model) -> float:
    """Infer from data that TRUTH makes without noise; the smallest two-sided tail that it lies in.

    Raises:
        BundleError: the refined posterior does not contain the truth, or does not fit.
    """
    post = model.infer(_noiseless(model), SAMPLES, seed=0, refine=True)
    below = post.weights @ (post.theta < TRUTH)
    tail = 2 * float(np.minimum(below, 1 - below).min())
    if tail < TAIL or post.fit.best > post.fit.dof:
        raise BundleError(
            f"{model.bundle.name}: known parameters are not found again (tail {tail:.1e}, PGSTAT/dof "
            f"{post.fit.best:.0f}/{post.fit.dof}); install or export the bundle again"
        )
    return tail


def _noiseless(model: Model) -> Observation:
    grid = model.bundle.grid
    zeros: NDArray[np.float64] = np.zeros(grid.bins)
    blank = Observation(
        name="selftest",
        counts=zeros,
        background=zeros,
        background_error=zeros,
        exposure=EXPOSURE,
        energy_lo=grid.energy_lo,
        energy_hi=grid.energy_hi,
        systematic=zeros,
        good=np.ones(grid.bins, dtype=bool),
        response=model.reference_response,
    )
    counts = np.rint(expected_counts(np.array([TRUTH]), blank)[0])
    return Observation(**{**vars(blank), "counts": counts})
