"""Multicolour discs: ezdiskbb, with zero torque at its inner edge (Zimmerman et al. 2005, ApJ 618, 832), and diskbb
(Mitsuda et al. 1984, PASJ 36, 741).

    ezdiskbb:  T(r) = T* r^(-3/4) (1 - r^(-1/2))^(1/4),    T_max = 0.487871 T*,    r = R/R_in
    diskbb:    T(r) = T_in r^(-3/4)
    N(E) = norm 4 pi/(h^3 c^2) (1 km/10 kpc)^2 E^2 INT_1^inf r dr / (exp(E/kT(r)) - 1)   photons/cm^2/s/keV
         = norm kT^2 F(E/kT),    T = T_max or T_in

One template F serves every temperature; ezdiskbb's is tabulated as ln F over ln(E/kT_max).
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from xspecnf.arrays import Array, namespace, stencil, table_like

HC_KEV_CM = 1.239841984e-7
SPEED_OF_LIGHT = 2.99792458e10  # cm/s
KM_PER_10KPC = 1e5 / 3.0856775814913673e22
FLUX_SCALE = 4 * np.pi * SPEED_OF_LIGHT / HC_KEV_CM**3 * KM_PER_10KPC**2
PEAK_TEMPERATURE = 0.487871  # T_max / T*

LN_X_MIN, LN_X_MAX, LN_X_STEP = math.log(1e-6), math.log(700.0), 0.02


def template(x: np.ndarray) -> np.ndarray:
    """F(x) of ezdiskbb in photons/cm^2/s/keV for norm = 1, kT_max = 1 keV, at x = E/kT_max of any shape."""
    return _integrated(x, lambda ln_r: (-np.expm1(-0.5 * ln_r)) ** 0.25 / PEAK_TEMPERATURE)


def diskbb(energy: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Photons/cm^2/s/keV of diskbb with norm = 1.

    energy: (n,) keV; temperature: (S, 1) keV, at the inner edge. Returns (S, n). numpy only; integrated directly.
    """
    return temperature**2 * _integrated(energy / temperature, np.ones_like)


def _integrated(x: np.ndarray, torque: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """F(x) of a disc whose temperature is r^(-3/4) times a function `torque` of ln r; integrated directly.

    The radius runs as ln r = exp(s): the trapezoid rule in s converges exponentially, from the inner edge (where T
    falls to zero) to radii whose whole spectrum lies below x.
    """
    s = np.linspace(-40.0, np.log(60.0), 800)
    ln_r = np.exp(s)
    temperature = np.exp(-0.75 * ln_r) * torque(ln_r)
    exponent = np.minimum(np.asarray(x, dtype=float)[..., None] / temperature, 700.0)
    integrand = np.exp(2 * ln_r) * ln_r / np.expm1(exponent)
    return FLUX_SCALE * np.square(x) * integrand.sum(axis=-1) * (s[1] - s[0])


@cache
def _ln_template() -> np.ndarray:
    ln_x = np.arange(LN_X_MIN, LN_X_MAX + LN_X_STEP, LN_X_STEP)
    return np.log(np.maximum(template(np.exp(ln_x)), 1e-300))


def density(energy: Array, temperature: Array) -> Array:
    """Photons/cm^2/s/keV of the disc with norm = 1.

    energy: (n,) keV; temperature: (S, 1) keV, the peak temperature. Returns (S, n).
    """
    xp = namespace(temperature)
    table = table_like(_ln_template, temperature)
    ln_x = xp.clip(xp.log(energy) - xp.log(temperature), LN_X_MIN, LN_X_MAX)
    first, weights = stencil((ln_x - LN_X_MIN) / LN_X_STEP, len(table))
    ln_f = sum(w * table[first + k] for k, w in enumerate(weights))
    return temperature**2 * xp.exp(ln_f)
