"""diskbb and simpl, the components of the models that this one is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from xspecnf.physics.disc import diskbb, template
from xspecnf.physics.simpl import simpl

EDGES = np.geomspace(1e-3, 1e3, 4001)
CENTRES = np.sqrt(EDGES[:-1] * EDGES[1:])
WIDTH = np.diff(EDGES)


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_the_disc_radiates_what_its_temperatures_say() -> None:
    """The luminosity 4 pi R_in^2 sigma T_in^4 of both sides gives a flux of 2 sigma T_in^4 for norm = 1."""
    flux = (diskbb(CENTRES, column(1.0)) * CENTRES * WIDTH).sum()  # keV/cm^2/s
    kelvin = 1.160451812e7  # of 1 keV
    sigma_t4 = 5.670374419e-5 * kelvin**4 / 1.602176634e-9  # keV/cm^2/s
    scale = (1e5 / 3.0856775814913673e22) ** 2
    assert flux == pytest.approx(2 * sigma_t4 * scale, rel=1e-4)


def test_the_disc_scales_with_its_temperature() -> None:
    np.testing.assert_allclose(diskbb(2.0 * CENTRES, column(2.0)), 4 * diskbb(CENTRES, column(1.0)), rtol=1e-12)


def test_the_two_discs_agree_far_from_the_inner_edge() -> None:
    """At energies far below the peak only large radii count: T* is the same coefficient there as T_in."""
    low = np.array([1e-5])
    star = 1 / 0.487871
    assert template(low)[0] == pytest.approx(star**2 * diskbb(low / star, column(1.0))[0, 0], rel=1e-2)


@pytest.mark.parametrize("up_only", [False, True])
def test_scattering_conserves_photons(up_only: bool) -> None:
    seed = np.where(CENTRES > 0.1, diskbb(CENTRES, column(0.3, 0.3)) * WIDTH, 0.0)  # far from the ends of the grid
    out = simpl(seed, EDGES, column(2.2, 4.0), column(0.4, 1.0), up_only)
    np.testing.assert_allclose(out.sum(axis=1), seed.sum(axis=1), rtol=1e-4)
    assert np.all(out >= 0)


def test_without_a_fraction_nothing_is_scattered() -> None:
    seed = diskbb(CENTRES, column(0.3)) * WIDTH
    np.testing.assert_allclose(simpl(seed, EDGES, column(2.0), column(0.0)), seed, rtol=1e-12)


def test_a_line_becomes_two_power_laws() -> None:
    """The Green's function, against its formula, by bins."""
    gamma, k = 2.5, 2000
    seed = np.zeros((1, 4000))
    seed[0, k] = 1.0
    out = simpl(seed, EDGES, column(gamma), column(1.0))[0]
    norm = (gamma - 1) * (gamma + 2) / (1 + 2 * gamma)
    ratio = EDGES / CENTRES[k]
    above = -norm / (gamma - 1) * np.diff(ratio ** (1 - gamma))
    below = norm / (gamma + 2) * np.diff(ratio ** (gamma + 2))
    np.testing.assert_allclose(out[k + 1 :], above[k + 1 :], rtol=1e-9)
    np.testing.assert_allclose(out[:k], below[:k], rtol=1e-9, atol=1e-15)
    upwards = simpl(seed, EDGES, column(gamma), column(1.0), up_only=True)[0]
    assert upwards[:k].max() < 1e-12
    np.testing.assert_allclose(upwards[k + 1 :], above[k + 1 :] * (gamma - 1) / norm, rtol=1e-9)


def test_a_slope_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="Gamma must be above 1"):
        simpl(np.ones((1, 4000)), EDGES, column(0.9), column(0.5))
