"""Spectra that the model was not made for, built from simulated ones: each function is one way to go wrong.

All take the true parameters theta (B, 5) of B simulated sources, the sensitivity (B, 240) that the observer believes in
[counts per photon/cm^2/s/keV], the instrument and a generator, and return the expected source counts (B, 240).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.grid import NICER
from xspecnf.physics import MODEL_EDGES, photons
from xspecnf.response import Response

Float64 = NDArray[np.float64]

WIDTH = NICER.energy_hi - NICER.energy_lo
ENERGY = (NICER.energy_hi + NICER.energy_lo) / 2
MODEL_ENERGY = np.sqrt(MODEL_EDGES[1:] * MODEL_EDGES[:-1])
MODEL_WIDTH = np.diff(MODEL_EDGES)
FINE = np.arange(0.005, 10.0, 0.01)
"""keV: the detector's channels, on which photons pile up."""

PLASMA_LINES = (
    (0.65, 0.05),
    (0.83, 0.08),
    (1.02, 0.08),
    (1.35, 0.04),
    (1.86, 0.06),
    (2.46, 0.05),
    (3.1, 0.04),
    (6.7, 0.5),
)
"""Energy and equivalent width [keV] of O VIII, Fe XVII, Ne X, Mg XI, Si XIII, S XV, Ar XVII, Fe XXV."""


@dataclass(frozen=True, eq=False)
class Instrument:
    """The reference response: matrix (photon bins, 240) over area and bin width, so that a fold gives a photon density;
    effective area (240,) cm^2.
    """

    matrix: Float64
    area: Float64

    @classmethod
    def of(cls, response: Response) -> Instrument:
        area = response.effective_area
        return cls(response.rebinned(MODEL_EDGES).matrix / (area * WIDTH), area)


Distortion = Callable[[Float64, Float64, Instrument, np.random.Generator], Float64]


def none(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """The model itself."""
    return photons(theta, MODEL_EDGES) @ instrument.matrix * sensitivity


def iron_line(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """A narrow line at 6.4 keV of 100-300 eV equivalent width."""
    flux = photons(theta, MODEL_EDGES)
    k = np.searchsorted(MODEL_EDGES, 6.4) - 1
    flux[:, k] += rng.uniform(0.1, 0.3, len(theta)) * flux[:, k] / MODEL_WIDTH[k]
    return flux @ instrument.matrix * sensitivity


def gain_shift(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """Every energy is measured 3 % too high or too low."""
    factor = rng.choice([0.97, 1.03], len(theta))
    density = none(theta, sensitivity, instrument, rng) / WIDTH
    return np.stack([np.interp(ENERGY / g, ENERGY, row) / g for g, row in zip(factor, density, strict=True)]) * WIDTH


def half_area(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """Half of the detectors were off, which the ARF does not know."""
    return 0.5 * none(theta, sensitivity, instrument, rng)


def area_shape(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """An effective area of another shape: its edges 5 % off in energy."""
    factor = rng.choice([0.95, 1.05], len(theta))
    shape = np.stack([np.interp(ENERGY * f, ENERGY, instrument.area) for f in factor]) / instrument.area
    return shape * none(theta, sensitivity, instrument, rng)


def contamination(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """A layer on the filter that the ARF does not know: 10-40 % of the light lost at 0.5 keV, less above."""
    depth = -np.log(1 - rng.uniform(0.1, 0.4, len(theta)))[:, None]
    return np.exp(-depth * (ENERGY / 0.5) ** -3) * none(theta, sensitivity, instrument, rng)


def pile_up(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """5-20 % of the photons arrive in pairs and count as one of the energies' sum."""
    share = rng.uniform(0.05, 0.2, len(theta))
    density = none(theta, sensitivity, instrument, rng) / WIDTH
    return np.stack([_piled_up(row, s) for row, s in zip(density, share, strict=True)]) * WIDTH


def plasma(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """Another class of source: bremsstrahlung of 1-8 keV with emission lines, absorbed; as bright as the source was."""
    temperature = np.exp(rng.uniform(0, np.log(8), len(theta)))[:, None]
    density = MODEL_ENERGY**-1.4 * np.exp(-MODEL_ENERGY / temperature)
    flux = density * MODEL_WIDTH
    for energy, width in PLASMA_LINES:
        k = np.searchsorted(MODEL_EDGES, energy) - 1
        flux[:, k] += width * density[:, k]
    column = np.exp(rng.uniform(np.log(0.01), np.log(1), len(theta)))[:, None]
    flux *= np.exp(-column * 2.3 * MODEL_ENERGY**-2.6)
    return _as_bright(flux @ instrument.matrix * sensitivity, none(theta, sensitivity, instrument, rng))


def noise(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """Counts without any physics: each bin has an expectation of its own."""
    random = rng.exponential(size=sensitivity.shape)
    return _as_bright(random, none(theta, sensitivity, instrument, rng))


def background_only(theta: Float64, sensitivity: Float64, instrument: Instrument, rng: np.random.Generator) -> Float64:
    """No source at all."""
    return np.zeros_like(sensitivity)


DISTORTIONS: dict[str, Distortion] = {
    "6.4 keV line": iron_line,
    "3 % gain shift": gain_shift,
    "half the detectors": half_area,
    "area's edges 5 % off": area_shape,
    "contaminated filter": contamination,
    "pile-up": pile_up,
    "thermal plasma": plasma,
    "noise": noise,
    "background only": background_only,
}


def _piled_up(density: Float64, share: float) -> Float64:
    """Count density (240,) per keV in which `share` of the photons came in pairs."""
    fine = np.interp(FINE, ENERGY, density)
    pairs = np.convolve(fine, fine)[: len(fine)] / max(fine.sum(), 1e-300)
    return np.interp(ENERGY, FINE, (1 - share) * fine + 0.5 * share * pairs)


def _as_bright(counts: Float64, model: Float64) -> Float64:
    """`counts` (B, 240) scaled to the totals of `model`."""
    return counts * (model.sum(axis=1) / counts.sum(axis=1))[:, None]
