"""TBabs: photoelectric absorption by the interstellar medium (Wilms, Allen & McCray 2000, ApJ 542, 914; wilm
abundances).

    transmission = exp(-nH sigma(E)),  averaged over each energy bin

The transmission of a bin's middle is a bad average. In most bins sigma varies by a per cent or two, and the cumulants
of its distribution within the bin give

    ln transmission = -nH mean + nH^2 variance/2 - ...

In the few bins with an edge or a resonance (O I at 0.528 keV varies eightfold within one bin) the average is taken over
samples.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from xspecnf.arrays import Array, like, namespace

SAMPLES_PER_BIN = 48
SMOOTH_SPREAD = 0.02  # the largest fractional deviation from a bin's mean that the cumulants are trusted with
TINY = 1e-37  # keeps a logarithm finite, in single precision too


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

    cumulants: (2, n) the mean negative, and half the variance. nh_max: 1e22 cm^-2, the column above which the term of
    the variance is half the mean's in some bin. uneven: indices (m,) of the bins that need samples; samples: (m,
    SAMPLES_PER_BIN) of them.
    """

    cumulants: np.ndarray
    nh_max: float
    uneven: np.ndarray
    samples: np.ndarray


@lru_cache(maxsize=16)
def _bin_averages(edge_bytes: bytes) -> BinAverages:
    edges = np.frombuffer(edge_bytes)
    fraction = (np.arange(SAMPLES_PER_BIN)[:, None] + 0.5) / SAMPLES_PER_BIN
    sigma = cross_section(edges[:-1] + fraction * np.diff(edges))
    mean, half_variance = sigma.mean(axis=0, keepdims=True), sigma.var(axis=0, keepdims=True) / 2
    uneven = np.flatnonzero(np.abs(sigma / mean - 1).max(axis=0) > SMOOTH_SPREAD)
    half_variance[:, uneven] = 0.0
    nh_max = float(1 / np.max(2 * half_variance / mean + 1e-300))
    return BinAverages(np.concatenate([-mean, half_variance]), nh_max, uneven, sigma[:, uneven].T)


def ln_transmission(nh: Array, energy_edges: np.ndarray) -> Array:
    """ln of the mean transmission in each bin: nh (S, 1) in 1e22 cm^-2, energy_edges (n+1,) keV; returns (S, n)."""
    xp = namespace(nh)
    bins = _bin_averages(np.asarray(energy_edges, dtype=float).tobytes())
    cumulants = like(bins.cumulants, nh)
    result = xp.concatenate([nh, nh**2], axis=1) @ cumulants
    if (nh > bins.nh_max).any():  # nothing is left in the bins where the variance would win
        result = xp.minimum(result, nh * cumulants[:1] / 2)
    seen = xp.exp(-nh[:, :, None] * like(bins.samples, nh)).mean(axis=2)
    result[:, bins.uneven] = xp.log(seen + TINY)
    return result
