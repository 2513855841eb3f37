"""The steady state of photons among hot electrons.

The Kompaneets equation for the photon occupation u(x), x = E/511 keV, at the electron temperature theta = kT_e/511 keV,
with photons injected as the disc emits them (q) and escaping at the rate beta x^2 u (Lightman & Zdziarski 1987, ApJ
319, 643; Zdziarski, Johnson & Magdziarz 1996, MNRAS 283, 193):

    d/dx[ c2 (theta u' + u) ] + q = beta x^2 u,        c2 = x^4/(1 + 4.6 x + 1.1 x^2)
    tau  = sqrt(2.25 + 3/(theta ((Gamma + 0.5)^2 - 2.25))) - 1.5
    beta = 1/(tau (1 + tau sigma_KN/(3 sigma_T))),     the second term tapering to 0 over x = 0.1 .. 1

Finite volumes in log x conserve the photons exactly.
"""

import math

import numpy as np

ELECTRON_TEMPERATURE = 100.0  # keV
ELECTRON_MASS = 511.0  # keV
SEED_ENERGY_MIN = 0.002  # keV: seeds below it are left out, as in the XSPEC spectra that this model is compared with

# The solver's grid: 2e-4 keV to 3 MeV, low enough that photons scattered downwards stay on it.
STEP = math.log(1e5) / 2000
FIRST_SEED_BIN = 400
BINS = 2875
EDGES = SEED_ENERGY_MIN * np.exp((np.arange(BINS + 1) - FIRST_SEED_BIN) * STEP)
CENTRES = np.sqrt(EDGES[:-1] * EDGES[1:])


def kompaneets_coefficients(gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tridiagonal system of the steady Kompaneets equation in finite volumes.

    gamma: (G,). Returns the flux coefficients `down`, `up` at the BINS - 1 inner edges, J = up u[k+1] - down u[k] with
    shape (BINS - 1,), and the escape term beta x^2 dx (BINS, G).
    """
    theta = ELECTRON_TEMPERATURE / ELECTRON_MASS
    x = CENTRES / ELECTRON_MASS
    inner = EDGES[1:-1] / ELECTRON_MASS
    c2 = inner**4 / (1 + 4.6 * inner + 1.1 * inner**2)
    gradient = theta / np.diff(x)
    tau = np.sqrt(2.25 + 3 / (theta * ((gamma + 0.5) ** 2 - 2.25))) - 1.5
    taper = np.clip((1 - x) / 0.9, 0.0, 1.0)[:, None]
    beta = 1 / (tau * (1 + taper * tau * klein_nishina(x)[:, None] / 3))
    volume = np.diff((EDGES / ELECTRON_MASS) ** 3) / 3
    return c2 * (gradient - 0.5), c2 * (gradient + 0.5), beta * volume[:, None]


def klein_nishina(x: np.ndarray) -> np.ndarray:
    """sigma_KN / sigma_T at the photon energy x = E/511 keV; by its series below x = 0.02."""
    x = np.asarray(x, dtype=float)
    big = np.maximum(x, 0.02)
    a = 1 + 2 * big
    exact = 0.75 * (
        (1 + big) / big**3 * (2 * big * (1 + big) / a - np.log(a)) + np.log(a) / (2 * big) - (1 + 3 * big) / a**2
    )
    series = 1 - 2 * x + 5.2 * x**2 - 13.3 * x**3
    return np.where(x < 0.02, series, exact)


def scatter(seed: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Photons per bin of the solver's grid after scattering: seed (BINS, K) photons per bin, gamma (G,). Returns (BINS,
    G, K).

    The tridiagonal system is solved by elimination without pivoting, which is stable because the matrix is diagonally
    dominant by columns.
    """
    down, up, escape = kompaneets_coefficients(np.asarray(gamma, dtype=float))
    diagonal = escape.copy()
    diagonal[:-1] += down[:, None]
    diagonal[1:] += up[:, None]
    u = np.empty((BINS, len(gamma), seed.shape[1]))
    pivot = np.empty_like(diagonal)
    pivot[0], u[0] = diagonal[0], seed[0]
    for k in range(1, BINS):
        ratio = down[k - 1] / pivot[k - 1]
        pivot[k] = diagonal[k] - ratio * up[k - 1]
        u[k] = seed[k] + ratio[:, None] * u[k - 1]
    u[-1] /= pivot[-1][:, None]
    for k in range(BINS - 2, -1, -1):
        u[k] = (u[k] + up[k] * u[k + 1]) / pivot[k][:, None]
    return u * escape[:, :, None]
