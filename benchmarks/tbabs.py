r"""TBabs from its parts, for other abundances than those of the runtime's table (Wilms, Allen & McCray 2000, ApJ 542,
914): gas, molecular hydrogen and grains, per hydrogen atom

    sigma = sum_Z A_Z g_Z sigma_Z + (h/2) sigma_H2 + INT n(a) pi a^2 (1 - exp(-tau(a))) da
    tau(a) = (4/3) a <sigma> rho/<m>,    n(a) ~ a^-3.5 between 0.025 and 0.25 um

with abundance A_Z, share g_Z in the gas, the share h = 0.2 of hydrogen in molecules, and <sigma>, <m> the mean of the
grains' atoms. sigma_Z is the sum over the shells of Verner & Yakovlev (1995, A&AS 109, 125),

    sigma_0 [(y-1)^2 + y_w^2] y^-Q (1 + sqrt(y/y_a))^-P,    y = E/E_0,   Q = 5.5 + l - P/2,

but Band et al.'s (1990, A&A 237, 267) for H and Yan, Sadeghpour & Dalgarno's (1998, ApJ 496, 1044) for He and H2.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

DATA = Path(__file__).parent / "data"
MEGABARN = 1e-18  # cm^2
UNIT = 1e-22  # cm^2, the runtime's
DALTON = 1.66053907e-24  # g

MOLECULAR = 0.2
GRAIN_DENSITY = 1.0  # g/cm^3
GRAIN_EDGES = np.geomspace(0.025e-4, 0.25e-4, 201)  # of bins in radius, cm
GRAIN_SLOPE = 3.5

THRESHOLDS = {"H": 13.599, "He": 24.58, "H2": 15.4}  # eV
YAN_HE = (1, -4.7416, 14.8200, -30.8678, 37.3584, -23.4585, 5.9133)
YAN_H2 = (1, -2.003, -4.806, 50.577, -171.044, 231.608, -81.885)


def cross_section(energy: Float64, abundances: str) -> Float64:
    """sigma in 1e-22 cm^2 per hydrogen atom at `energy` (n,) keV, 0.1 or more; abundances: "wilm" or "angr"."""
    elements = _table("tbabs_elements.csv")
    sigma = np.array([_atom(int(z), 1e3 * energy) for z in elements["Z"]])
    gas = elements[abundances] * elements["gas"]
    gas[0] *= 1 - MOLECULAR
    molecules = MOLECULAR / 2 * _yan(1e3 * energy, 45.57e-6, THRESHOLDS["H2"], YAN_H2)
    dust = elements[abundances] * (1 - elements["gas"])
    return (gas @ sigma + molecules) * MEGABARN / UNIT + _grains(dust, elements["weight"], sigma * MEGABARN) / UNIT


def _atom(z: int, energy: Float64) -> Float64:
    """Mb at `energy` [eV]."""
    if z == 1:
        y = 2 * energy / THRESHOLDS["H"]
        return 605 / (y**1.5 * (1 + np.sqrt(y)) ** 4)
    if z == 2:
        return _yan(energy, 733e-6, THRESHOLDS["He"], YAN_HE)
    table = _table("verner_yakovlev_1995.csv")
    return np.sum([_shell(shell, energy) for shell in table[table["Z"] == z]], axis=0)


def _shell(shell: np.void, energy: Float64) -> Float64:
    """Verner & Yakovlev's fit: Mb at `energy` [eV]."""
    y = energy / shell["E_0"]
    slope = 5.5 + shell["l"] - shell["P"] / 2
    shape = ((y - 1) ** 2 + shell["y_w"] ** 2) * y**-slope * (1 + np.sqrt(y / shell["y_a"])) ** -shell["P"]
    return np.where(energy >= shell["threshold"], shell["sigma_0"] * shape, 0.0)


def _yan(energy: Float64, scale: float, threshold: float, coefficients: tuple[float, ...]) -> Float64:
    """Yan et al.'s series far above threshold: Mb at `energy` [eV]."""
    return scale * (energy / 1e3) ** -3.5 * polyval(np.sqrt(threshold / energy), coefficients)


def _grains(dust: Float64, weight: Float64, sigma: Float64) -> Float64:
    """cm^2 per hydrogen atom of grains that hold `dust` (Z,) atoms per hydrogen atom of cross-sections (Z, n) cm^2."""
    mass = dust @ weight * DALTON
    mean = dust @ sigma / dust.sum()
    a = np.sqrt(GRAIN_EDGES[:-1] * GRAIN_EDGES[1:])
    number = a**-GRAIN_SLOPE * np.diff(GRAIN_EDGES)
    depth = 4 / 3 * a[:, None] * mean * GRAIN_DENSITY * dust.sum() / mass
    shadow = (number * np.pi * a**2) @ -np.expm1(-depth)
    return mass / (GRAIN_DENSITY * (number @ (4 / 3 * np.pi * a**3))) * shadow


@cache
def _table(name: str) -> np.ndarray:
    return np.genfromtxt(DATA / name, delimiter=",", names=True, skip_header=2, dtype=None, encoding="utf-8")
