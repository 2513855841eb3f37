"""TBabs: photoelectric absorption by the interstellar medium (Wilms, Allen & McCray 2000, ApJ 542, 914; wilm
abundances).

    transmission = exp(-nH sigma(E)),  averaged over each energy bin

The transmission of a bin's middle is a bad average. In most bins sigma varies by a per cent or two, and a two-point
Gauss quadrature over its distribution within the bin, whose nodes and weights carry the first four moments, is exact to
the fourth order in nH times its spread. In the few bins with an edge or a resonance (O I at 0.528 keV varies eightfold
within one bin) the average is taken over samples.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from xspecnf.arrays import Array, like, namespace

SAMPLES_PER_BIN = 48
SMOOTH_SPREAD = 0.02  # the largest fractional deviation from a bin's mean that the two points are trusted with


@lru_cache(maxsize=1)
def _table() -> tuple[np.ndarray, np.ndarray]:
    with np.load(str(files("xspecnf.physics") / "data" / "tbabs_wilm.npz"), allow_pickle=False) as table:
        return np.log(table["energy"].astype(float)), np.log(table["sigma"].astype(float))


def cross_section(energy: np.ndarray) -> np.ndarray:
    """sigma in 1e-22 cm^2 per hydrogen atom at `energy` [keV]; beyond 0.1-20 keV the table's last power law goes on."""
    ln_energy, ln_sigma = _table()
    x = np.log(energy)
    below, above = np.minimum(x - ln_energy[0], 0.0), np.maximum(x - ln_energy[-1], 0.0)
    slope_below = (ln_sigma[100] - ln_sigma[0]) / (ln_energy[100] - ln_energy[0])
    slope_above = (ln_sigma[-1] - ln_sigma[-501]) / (ln_energy[-1] - ln_energy[-501])
    return np.exp(np.interp(x, ln_energy, ln_sigma) + below * slope_below + above * slope_above)


@dataclass(frozen=True)
class BinAverages:
    """The cross-section's distribution in each of n bins, sigma in 1e-22 cm^2.

    nodes, weights: (2, n). uneven: indices (m,) of the bins that need samples; samples: (m, SAMPLES_PER_BIN) of them.
    """

    nodes: np.ndarray
    weights: np.ndarray
    uneven: np.ndarray
    samples: np.ndarray


@lru_cache(maxsize=16)
def _bin_averages(edge_bytes: bytes) -> BinAverages:
    edges = np.frombuffer(edge_bytes)
    fraction = (np.arange(SAMPLES_PER_BIN)[:, None] + 0.5) / SAMPLES_PER_BIN
    sigma = cross_section(edges[:-1] + fraction * np.diff(edges))
    mean = sigma.mean(axis=0)
    deviation = sigma - mean
    variance = np.maximum((deviation**2).mean(axis=0), (1e-9 * mean) ** 2)
    skew = (deviation**3).mean(axis=0) / variance
    half = np.sqrt(skew**2 / 4 + variance)
    offsets = np.stack([skew / 2 - half, skew / 2 + half])
    weights = np.stack([offsets[1], -offsets[0]]) / (2 * half)
    uneven = np.flatnonzero(np.abs(deviation).max(axis=0) > SMOOTH_SPREAD * mean)
    return BinAverages(mean + offsets, weights, uneven, sigma[:, uneven].T)


def transmission(nh: Array, energy_edges: np.ndarray) -> Array:
    """Mean transmission in each bin: nh (S, 1) in 1e22 cm^-2, energy_edges (n+1,) keV; returns (S, n)."""
    xp = namespace(nh)
    bins = _bin_averages(np.asarray(energy_edges, dtype=float).tobytes())
    low, high = (like(w, nh) * xp.exp(-nh * like(s, nh)) for s, w in zip(bins.nodes, bins.weights, strict=True))
    mean = low + high
    mean[:, bins.uneven] = xp.exp(-nh[:, :, None] * like(bins.samples, nh)).mean(axis=2)
    return mean
