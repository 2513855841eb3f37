"""simplcutx: a fraction of the disc's photons scattered by hot electrons (Steiner et al. 2009, PASP 121, 1279; 2017,
ApJ 836, 119).

The scattered spectrum is the steady state of the Kompaneets equation (:mod:`xspecnf.physics.kompaneets`), which depends
on Gamma and the seed alone: it is solved on a grid of (Gamma, kT_disk) and tabulated as ln n(E) over ln(E/kT_disk), in
which it hardly changes with kT_disk. The table ships with the package; :mod:`xspecnf.physics.tabulate` makes it.
"""

import math
from functools import cache
from importlib.resources import files

import numpy as np

from xspecnf.arrays import Array, as_index, lagrange_weights, like, namespace, stencil, table_windows
from xspecnf.physics.kompaneets import CENTRES, FIRST_SEED_BIN, STEP

# The table's nodes: Gamma, ln kT_disk and ln(E/kT_disk), the last two on the solver's grid.
GAMMA_FIRST, GAMMA_STEP, GAMMA_NODES = 1.24, 0.06, 48
KT_FIRST, KT_STRIDE, KT_NODES = FIRST_SEED_BIN + 406, 16, 60  # 0.0207 to 4.7 keV
Y_FIRST, Y_STRIDE, Y_NODES = -1400, 4, 860
NODE_STEP = Y_STRIDE * STEP  # in ln(E/kT_disk)

GAMMA_LIMITS = (GAMMA_FIRST, GAMMA_FIRST + GAMMA_STEP * (GAMMA_NODES - 1))
KT_LIMITS = (float(CENTRES[KT_FIRST]), float(CENTRES[KT_FIRST + KT_STRIDE * (KT_NODES - 1)]))  # keV

TABLE_FILE = "simplcutx.npz"
QUANTUM = 2e-6  # of ln n in the stored table


@cache
def _scattered_table() -> np.ndarray:
    """ln of the scattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of (Gamma, ln kT,
    ln E/kT).
    """
    return QUANTUM * _stored("scattered").cumsum(axis=2, dtype=np.int32).cumsum(axis=2, dtype=np.int32)


@cache
def _disc_table() -> np.ndarray:
    """Unscattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of ln E/kT."""
    return _stored("disc")


def _stored(name: str) -> np.ndarray:
    with np.load(str(files("xspecnf.physics") / "data" / TABLE_FILE), allow_pickle=False) as tables:
        return tables[name]


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
    stencils = xp.stack([nodes[:, k : k + strides] for k in range(5)], axis=2)
    return (stencils @ _stride_weights(position - left)).reshape(len(nodes), strides * Y_STRIDE)[:, :size]


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
    direct = table_windows(_disc_table, temperature, size)[first]
    scattered = _scattered_at(first, size, gamma, temperature)
    return xp.log((1 - f_sc) * direct + f_sc * scattered) + 3 * xp.log(temperature)


def _scattered_at(first: Array, size: int, gamma: Array, temperature: Array) -> Array:
    """The scattered part of it, divided by kT^3, (S, size)."""
    xp = namespace(temperature)
    g, g_weights = stencil((gamma - GAMMA_FIRST) / GAMMA_STEP, GAMMA_NODES)
    t, t_weights = stencil(xp.log(temperature / KT_LIMITS[0]) / (KT_STRIDE * STEP), KT_NODES)
    four = like(np.arange(4), g)
    rows = (g + four)[:, :, None], (t + four)[:, None], first[:, None, None]
    around = table_windows(_scattered_table, temperature, size)[rows]
    weights = xp.concatenate(g_weights, axis=1)[:, :, None] * xp.concatenate(t_weights, axis=1)[:, None]
    return xp.exp((weights.reshape(-1, 1, 16) @ around.reshape(-1, 16, size))[:, 0])
