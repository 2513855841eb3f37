"""tbabs(simplcutx(ezdiskbb)): the composed model, in photons/cm^2/s per energy bin.

    n(E) = exp(-nH sigma(E)) [ (1 - f_sc) disc(E) + f_sc scattered disc(E) ]

theta holds nH [1e22 cm^-2], Gamma, f_sc, kT_disk [keV] and norm [(R_in,km/D_10kpc)^2 cos i / f^4], in this order.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xspecnf.arrays import Array, like, namespace
from xspecnf.physics import absorption, comptonisation
from xspecnf.physics.comptonisation import GAMMA_LIMITS, KT_LIMITS
from xspecnf.physics.kompaneets import STEP

if TYPE_CHECKING:
    from xspecnf.observation import Observation
    from xspecnf.response import Response

# The model's own grid: the part of 2000 logarithmic bins over 0.002-200 keV that NICER's response sees.
MODEL_EDGES = 0.002 * np.exp(STEP * np.arange(679, 1602))
# What the tables hold: name, column, lowest and highest value.
LIMITS = (
    ("nH", 0, 0.0, 1e4),
    ("Gamma", 1, *GAMMA_LIMITS),
    ("f_sc", 2, 0.0, 1.00001),  # the prior's bound, rounded
    ("kT_disk", 3, *KT_LIMITS),
    ("norm", 4, 0.0, 1e30),
)
BIN_WIDTH_MAX = 1.001 * STEP  # in ln E; wider bins are integrated in parts
TERMS = 64  # of a sum that one matrix product adds up
ALONE = 2**18  # multiplications in a matrix product of which OpenBLAS leaves all to one thread
ROUNDING = 1e-6  # of a bin's width, in parts of itself


def photons(theta: Array, energy_edges: np.ndarray) -> Array:
    """Photons/cm^2/s in each energy bin.

    theta: (S, 5), numpy or torch, float32 or float64; differentiable in torch. energy_edges: (n+1,) keV, ascending,
    within 0.002-200. Returns (S, n) of theta's library and type. Raises ValueError for other shapes or edges, and for
    parameters that are not numbers or lie outside what is tabulated.
    """
    edges = np.asarray(energy_edges, dtype=float)
    _check(theta, edges)
    bins = _narrow_bins(edges.tobytes())
    fine = _in_narrow_bins(1.0 * theta, bins)
    return fine if bins.parts == 1 else fine.reshape(len(theta), -1, bins.parts).sum(axis=2)


def _check(theta: Array, edges: np.ndarray) -> None:
    """Raise ValueError for what :func:`photons` does not take, but for the edges' values."""
    if theta.ndim != 2 or theta.shape[1] != 5:
        raise ValueError(f"theta must have the shape (S, 5), not {tuple(theta.shape)}")
    if edges.ndim != 1:
        raise ValueError(f"energy_edges must have one dimension, not {edges.ndim}")
    for name, index, low, high in LIMITS:
        values = theta[:, index]
        if not ((values >= low) & (values <= high)).all():
            raise ValueError(f"theta: {name} must lie within {low:.4g} .. {high:.4g}")


@dataclass(frozen=True)
class NarrowBins:
    """Bins so narrow that the unabsorbed density at the middle stands for the bin.

    edges: (m+1,) keV. parts: how many of them make one of the bins that were asked for. even: whether they are the
    tables' own, STEP wide in ln E.
    """

    edges: np.ndarray
    parts: int
    even: bool


@lru_cache(maxsize=16)
def _narrow_bins(edge_bytes: bytes) -> NarrowBins:
    """Bins of energies as :func:`photons` takes them; ValueError for others."""
    edges = np.frombuffer(edge_bytes)
    ascending = len(edges) > 1 and np.all(np.diff(edges) > 0)  # False for NaN
    if not (ascending and edges[0] > 0.0019 and edges[-1] < 201):
        raise ValueError("energy_edges must be ascending energies within 0.002-200 keV")
    parts = int(np.ceil(np.diff(np.log(edges)).max() / BIN_WIDTH_MAX))
    fine = subdivided(edges, parts)
    return NarrowBins(fine, parts, even=bool(np.abs(np.diff(np.log(fine)) / STEP - 1).max() < ROUNDING))


def expected_counts(theta: Array, obs: "Observation") -> Array:
    """Source counts expected in each bin of an observation, over its exposure and without its background.

    theta: (S, 5), numpy or torch. Returns (S, bins). The photon density counts as uniform inside each of the model's
    bins.
    """
    found = photons(theta, MODEL_EDGES)
    precision = found.dtype if namespace(found) is np else np.dtype(np.float64)
    return _folded(found, like(_folding_matrix(obs.response, precision), found)) * obs.exposure


def _folded(photons: Array, matrix: Array) -> Array:
    """photons (S, n) times matrix (n, bins), rounded alike on any number of threads.

    OpenBLAS splits larger products where it depends on how many threads it has, and a part's edges round otherwise.
    """
    bins = matrix.shape[1]
    rows = max(ALONE // (TERMS * bins), 1)
    whole = len(photons) // rows * rows
    blocks = _added_up(photons[:whole].reshape(-1, rows, len(matrix)), matrix)
    return namespace(photons).concatenate([blocks.reshape(-1, bins), _added_up(photons[whole:], matrix)])


def _added_up(photons: Array, matrix: Array) -> Array:
    """photons (..., n) times matrix (n, bins), TERMS at a time."""
    counts = photons[..., :TERMS] @ matrix[:TERMS]
    for start in range(TERMS, len(matrix), TERMS):
        counts += photons[..., start : start + TERMS] @ matrix[start : start + TERMS]
    return counts


@lru_cache(maxsize=16)
def _folding_matrix(response: "Response", precision: np.dtype) -> np.ndarray:
    """Counts/s in each bin per photon/cm^2/s in each of the model's bins [cm^2], (model bins, bins)."""
    return response.rebinned(MODEL_EDGES).matrix.astype(precision)


def subdivided(edges: np.ndarray, parts: int) -> np.ndarray:
    """Every bin of `edges` (n+1,) cut into equal logarithmic `parts`: (n * parts + 1,)."""
    position = np.arange((len(edges) - 1) * parts + 1) / parts
    return np.exp(np.interp(position, np.arange(len(edges)), np.log(edges))) if parts > 1 else edges


def _in_narrow_bins(theta: Array, bins: NarrowBins) -> Array:
    """As :func:`photons`, for narrow bins."""
    xp = namespace(theta)
    nh, *emission, norm = (theta[:, k : k + 1] for k in range(5))
    ln_transmission = absorption.ln_transmission(nh, bins.edges)
    energy = np.sqrt(bins.edges[:-1] * bins.edges[1:])
    if not bins.even:
        width = like(np.diff(bins.edges), theta)
        return norm * width * comptonisation.density(like(energy, theta), *emission) * xp.exp(ln_transmission)
    relative_width = 2 * math.sinh(STEP / 2)
    ln_emitted = comptonisation.ln_emitted(energy[0], len(energy), *emission)
    return norm * relative_width * xp.exp(ln_emitted + ln_transmission)
