"""simplcutx: a fraction of the disc's photons scattered by hot electrons (Steiner et al. 2009, PASP 121, 1279; 2017,
ApJ 836, 119).

The scattered spectrum is the steady state of the Kompaneets equation for the photon occupation u(x), x = E/511 keV, at
the electron temperature theta = kT_e/511 keV, with photons injected as the disc emits them (q) and escaping at the rate
beta x^2 u (Lightman & Zdziarski 1987, ApJ 319, 643; Zdziarski, Johnson & Magdziarz 1996, MNRAS 283, 193):

    d/dx[ c2 (theta u' + u) ] + q = beta x^2 u,        c2 = x^4/(1 + 4.6 x + 1.1 x^2)
    tau  = sqrt(2.25 + 3/(theta ((Gamma + 0.5)^2 - 2.25))) - 1.5
    beta = 1/(tau (1 + tau sigma_KN/(3 sigma_T))),     the second term tapering to 0 over x = 0.1 .. 1

Finite volumes in log x conserve the photons exactly. The solution depends on Gamma and the seed alone, so it is solved
once on a grid of (Gamma, kT_disk) and tabulated as ln n(E) over ln(E/kT_disk), in which it hardly changes with kT_disk.
"""

import math
from functools import cache

import numpy as np

from xspecnf.arrays import Array, as_index, lagrange_weights, like, namespace, stencil, table_like, windows
from xspecnf.physics import disc

ELECTRON_TEMPERATURE = 100.0  # keV
ELECTRON_MASS = 511.0  # keV
SEED_ENERGY_MIN = 0.002  # keV: seeds below it are left out, as in the XSPEC spectra that this model is compared with

# The solver's grid: 2e-4 keV to 3 MeV, low enough that photons scattered downwards stay on it.
STEP = math.log(1e5) / 2000
FIRST_SEED_BIN = 400
BINS = 2875
EDGES = SEED_ENERGY_MIN * np.exp((np.arange(BINS + 1) - FIRST_SEED_BIN) * STEP)
CENTRES = np.sqrt(EDGES[:-1] * EDGES[1:])

# The table's nodes: Gamma, ln kT_disk and ln(E/kT_disk), the last two on the solver's grid.
GAMMA_FIRST, GAMMA_STEP, GAMMA_NODES = 1.24, 0.06, 48
KT_FIRST, KT_STRIDE, KT_NODES = FIRST_SEED_BIN + 406, 16, 60  # 0.0207 to 4.7 keV
Y_FIRST, Y_STRIDE, Y_NODES = -1400, 4, 860
NODE_STEP = Y_STRIDE * STEP  # in ln(E/kT_disk)

GAMMA_LIMITS = (GAMMA_FIRST, GAMMA_FIRST + GAMMA_STEP * (GAMMA_NODES - 1))
KT_LIMITS = (float(CENTRES[KT_FIRST]), float(CENTRES[KT_FIRST + KT_STRIDE * (KT_NODES - 1)]))  # keV


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


@cache
def _scattered_table() -> np.ndarray:
    """ln of the scattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of (Gamma, ln kT,
    ln E/kT).
    """
    kt_index = KT_FIRST + KT_STRIDE * np.arange(KT_NODES)
    temperature = CENTRES[kt_index]
    width = np.diff(EDGES)
    seed = disc.density(CENTRES, temperature[:, None]).T * width[:, None]
    seed[:FIRST_SEED_BIN] = 0
    scattered = scatter(seed, GAMMA_FIRST + GAMMA_STEP * np.arange(GAMMA_NODES))
    energy_index = np.clip(kt_index[:, None] + Y_FIRST + Y_STRIDE * np.arange(Y_NODES), 0, BINS - 1)
    table = scattered[energy_index, :, np.arange(KT_NODES)[:, None]] * (CENTRES / width)[energy_index][..., None]
    by_gamma = np.ascontiguousarray(table.transpose(2, 0, 1))
    return np.log(np.maximum(by_gamma, 1e-300)) - 3 * np.log(temperature)[:, None]


@cache
def _disc_table() -> np.ndarray:
    """Unscattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of ln E/kT."""
    x = np.exp((Y_FIRST + Y_STRIDE * np.arange(Y_NODES)) * STEP)
    return x * disc.template(x)


def density(energy: Array, gamma: Array, f_sc: Array, temperature: Array) -> Array:
    """Photons/cm^2/s/keV of simplcutx(ezdiskbb) with norm = 1.

    energy: (n,) keV, ascending, within 0.002-200; gamma, f_sc, temperature [keV]: (S, 1). Returns (S, n). The sum of
    the scattered and the direct photons is formed at the table's nodes of ln E/kT and interpolated from there in its
    logarithm.
    """
    xp = namespace(temperature)
    position = (xp.log(energy) - xp.log(temperature)) / NODE_STEP - Y_FIRST / Y_STRIDE
    left = xp.floor(position)
    size = int(xp.log(energy[-1] / energy[0]) / NODE_STEP) + 6  # enough for any temperature, rounding included
    nodes = _at_nodes(as_index(left[:, 0]) - 1, size, gamma, f_sc, temperature)
    first = as_index(left - left[:, :1]) + like(np.arange(len(nodes))[:, None] * size, as_index(left))
    weights = lagrange_weights(1 + position - left)
    return xp.exp(sum(w * nodes.reshape(-1)[first + k] for k, w in enumerate(weights))) / energy


def ln_emitted(first: float, size: int, gamma: Array, f_sc: Array, temperature: Array) -> Array:
    """ln of photons/cm^2/s per unit of ln E, norm = 1, at the energies first exp(k STEP), k = 0 .. size - 1; (S, size).

    As :func:`density`, `first` in keV. The table's nodes lie Y_STRIDE of these energies apart, so the weights of the
    interpolation repeat from node to node, and one small matrix makes a spectrum's energies of its nodes.
    """
    xp = namespace(temperature)
    position = (math.log(first) - xp.log(temperature)) / NODE_STEP - Y_FIRST / Y_STRIDE
    left = xp.floor(position)
    strides = -(-size // Y_STRIDE)
    nodes = _at_nodes(as_index(left[:, 0]) - 1, strides + 4, gamma, f_sc, temperature)
    energies = windows(nodes, 5) @ _stride_weights(position - left)
    return energies.reshape(len(nodes), strides * Y_STRIDE)[:, :size]


def _stride_weights(offset: Array) -> Array:
    """Weights (S, 5, Y_STRIDE) of five nodes at the Y_STRIDE energies that start `offset` (S, 1), in 0..1, after the
    second node; energies beyond the third have the stencil of the last four.
    """
    xp = namespace(offset)
    t = offset + like(np.arange(Y_STRIDE) / Y_STRIDE, offset)
    weights = xp.stack(lagrange_weights(1 + xp.where(t < 1, t, t - 1)), axis=1)
    none = 0 * weights[:, :1]
    early, late = xp.concatenate([weights, none], axis=1), xp.concatenate([none, weights], axis=1)
    return xp.where((t < 1)[:, None], early, late)


def _at_nodes(first: Array, size: int, gamma: Array, f_sc: Array, temperature: Array) -> Array:
    """ln of photons/cm^2/s per unit of ln E, direct and scattered, at `size` nodes of ln E/kT from first (S,) on."""
    xp = namespace(temperature)
    direct = windows(table_like(_disc_table, temperature), size)[first]
    scattered = _scattered_at(first, size, gamma, temperature)
    return xp.log((1 - f_sc) * direct + f_sc * scattered) + 3 * xp.log(temperature)


def _scattered_at(first: Array, size: int, gamma: Array, temperature: Array) -> Array:
    """The scattered part of it, divided by kT^3, (S, size)."""
    xp = namespace(temperature)
    g, g_weights = stencil((gamma - GAMMA_FIRST) / GAMMA_STEP, GAMMA_NODES)
    t, t_weights = stencil(xp.log(temperature / KT_LIMITS[0]) / (KT_STRIDE * STEP), KT_NODES)
    four = like(np.arange(4), g)
    rows = (g + four)[:, :, None], (t + four)[:, None], first[:, None, None]
    around = windows(table_like(_scattered_table, temperature), size)[rows]
    weights = xp.concatenate(g_weights, axis=1)[:, :, None] * xp.concatenate(t_weights, axis=1)[:, None]
    return xp.exp((weights.reshape(-1, 1, 16) @ around.reshape(-1, 16, size))[:, 0])
