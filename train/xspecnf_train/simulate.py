"""Simulated observations, drawn afresh for every training step.

A pool of noise-free spectra of unit norm is computed once from the exact physics. Each draw then chooses a spectrum,
its norm, the exposure, the number of detectors, the effective area's shape, the background, the systematic error, bad
bins and the Poisson counts. The draw follows the likelihood that the posterior is judged by (see xspecnf.marginal):
the file's background B +- sigma is what the observer has, the true background scatters around it, and the systematic
error is an independent factor for each bin.

The prior is uniform on the unit cube, cut to sources that can be seen: `counts` of the source expected within the
exposure and at most `rate_max` counts/s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xspecnf.errors import InputError
from xspecnf.features import batch_features
from xspecnf.grid import NICER, Grid
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit
from xspecnf.physics import MODEL_EDGES, photons
from xspecnf.response import Response
from xspecnf_train.backgrounds import log_uniform, measured_beside, modelled, nicer_shapes, tilted_shapes

LN_NORM_LOW, LN_NORM_HIGH = np.log(BHB_PARAMETERS[4].low), np.log(BHB_PARAMETERS[4].high)

ARRAYS = ("u", "counts", "background", "background_error", "systematic", "good", "sensitivity")
"""Of a batch, one row an observation."""


@dataclass(frozen=True)
class SimulatorConfig:
    """What is simulated; pairs are the ends of log-uniform intervals unless said otherwise.

    exposure [s]; counts: of the source, expected; rate_max: counts/s; detectors: how many are on, uniform, of the
    reference response's all_detectors (NICER's 50 FPMs; 1 for most instruments); area_scatter: rms of the smooth, known
    distortion of the effective area; gain_scatter: rms of the fractional gain error, which the likelihood does not know
    of: it trains posteriors wider than the likelihood's; systematic: fractional error, and the share of spectra without
    any; background_rate [counts/s], and the share without any; background_shape: share of each bin, filled in from the
    file of [instrument], () for NICER's background; background_ratio: of the source's region over the background's,
    with such a file alone; bad_share: share of spectra with bins of bad quality.
    """

    pool: int = 500_000
    exposure: tuple[float, float] = (30.0, 10_000.0)
    counts: tuple[float, float] = (10.0, 1.2e8)
    rate_max: float = 60_000.0
    detectors: tuple[int, int] = (40, 52)
    all_detectors: int = 50
    area_scatter: float = 0.02
    gain_scatter: float = 0.0
    systematic: tuple[float, float] = (0.003, 0.03)
    systematic_free: float = 0.4
    background_rate: tuple[float, float] = (0.3, 100.0)
    background_free: float = 0.15
    background_shape: Sequence[float] = ()
    background_ratio: tuple[float, float] = (0.02, 1.0)
    bad_share: float = 0.1

    def __post_init__(self) -> None:
        for name in ("exposure", "counts", "detectors", "systematic", "background_rate", "background_ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be an interval of positive numbers, not {(low, high)}")
        if self.all_detectors < 1:
            raise ValueError(f"all_detectors must be at least 1, not {self.all_detectors}")
        for name in ("systematic_free", "background_free", "bad_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Batch:
    """B simulated observations: u (B, 5) in the unit cube; counts, background, background_error, systematic, good,
    sensitivity (B, bins) on the bins of `grid`.
    """

    u: np.ndarray
    counts: np.ndarray
    background: np.ndarray
    background_error: np.ndarray
    systematic: np.ndarray
    good: np.ndarray
    sensitivity: np.ndarray
    grid: Grid = NICER

    def features(self) -> np.ndarray:
        """The network's input (B, F, bins) float32."""
        observed = (self.counts, self.background, self.background_error, self.systematic, self.good)
        return batch_features(*observed, self.sensitivity, self.grid.width)

    def observations(self, response: Response, marginal: bool = False) -> Iterator[Observation]:
        """The same as observations of one second with a response of the sensitivity that each had; `response` is the
        simulator's. marginal: with the likelihood that they were drawn from, and not PGSTAT.
        """
        own = response.rebinned(MODEL_EDGES)
        factor = self.sensitivity / (self.grid.width * response.effective_area)
        for k in range(len(self.u)):
            yield Observation(
                name=f"simulated spectrum {k}",
                counts=self.counts[k],
                background=self.background[k],
                background_error=self.background_error[k],
                exposure=1.0,
                energy_lo=self.grid.energy_lo,
                energy_hi=self.grid.energy_hi,
                systematic=self.systematic[k],
                good=self.good[k],
                marginal=marginal,
                response=own.scaled(factor[k]),
            )


class Simulator:
    """Draws batches; two simulators of one configuration, response and seed hold the same pool."""

    def __init__(self, config: SimulatorConfig, response: Response, seed: int) -> None:
        self.config = config
        self.grid, self.area = response.grid, response.effective_area
        rng = np.random.default_rng([seed, 0])
        self.u = rng.random((config.pool, 4), dtype=np.float32)
        self.ln_shape = unit_norm_spectra(self.u, response)
        self.ln_unit_total = np.log(np.exp(self.ln_shape) @ self.grid.width.astype(np.float32))
        self.ln_unit_rate = np.log(np.exp(self.ln_shape) @ (self.grid.width * self.area).astype(np.float32))

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """One batch of `size` observations."""
        chosen, exposure, ln_norm = self._visible(size, rng)
        sensitivity = exposure[:, None] * self.grid.width * self.area * self._area_factor(size, rng)
        ln_rate = self._with_gain(self.ln_shape[chosen] + ln_norm[:, None], rng)
        source = np.exp(ln_rate) * sensitivity
        background, error = self._background(exposure, rng)
        systematic = self._systematic(size, rng)
        expected = source * np.maximum(1 + systematic * rng.standard_normal(source.shape), 0)
        expected += np.maximum(background + error * rng.standard_normal(source.shape), 0)
        return Batch(
            u=self._unit(chosen, ln_norm),
            counts=rng.poisson(expected).astype(float),
            background=background,
            background_error=error,
            systematic=systematic,
            good=self._good(size, rng),
            sensitivity=sensitivity,
            grid=self.grid,
        )

    def draw_totals(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Parameters u (B, 5) of visible sources and the ln of their total rate for unit norm [photons/cm^2/s] (B,)."""
        chosen, _, ln_norm = self._visible(size, rng)
        return self._unit(chosen, ln_norm), self.ln_unit_total[chosen]

    def draw_spectra(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Parameters u (B, 5) of visible sources and log10 of their noise-free rates [photons/cm^2/s/keV] (B, bins)."""
        chosen, _, ln_norm = self._visible(size, rng)
        return self._unit(chosen, ln_norm), (self.ln_shape[chosen] + ln_norm[:, None]) / np.log(10)

    def _unit(self, chosen: np.ndarray, ln_norm: np.ndarray) -> np.ndarray:
        return np.column_stack([self.u[chosen], (ln_norm - LN_NORM_LOW) / (LN_NORM_HIGH - LN_NORM_LOW)])

    def _visible(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spectra of the pool, exposures [s] and ln norm, (size,) each, of sources that can be seen.

        ln norm is uniform over its visible interval and a candidate is kept in proportion to the interval's length: the
        joint prior stays uniform where it is not cut.
        """
        c = self.config
        chosen = rng.integers(len(self.u), size=6 * size)
        exposure = log_uniform(rng, c.exposure, 6 * size)
        ln_unit = self.ln_unit_rate[chosen] + np.log(exposure)
        low = np.maximum(LN_NORM_LOW, np.log(c.counts[0]) - ln_unit)
        high = np.minimum(LN_NORM_HIGH, np.log(np.minimum(c.counts[1], c.rate_max * exposure)) - ln_unit)
        kept = np.flatnonzero(rng.random(len(low)) * np.log(c.counts[1] / c.counts[0]) < high - low)
        if size and len(kept) == 0:
            raise InputError(f"simulator: no spectrum has {c.counts} counts below {c.rate_max} counts/s; widen these")
        kept = np.concatenate([kept, rng.choice(kept, max(size - len(kept), 0))])[:size]
        return chosen[kept], exposure[kept], low[kept] + rng.random(size) * (high - low)[kept]

    def _with_gain(self, ln_rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """ln of the rates (B, bins) as a detector with a gain error sees them: at shifted energies."""
        if not self.config.gain_scatter:
            return ln_rate
        gain = 1 + self.config.gain_scatter * rng.standard_normal(len(ln_rate))
        energy = self.grid.energy
        return np.stack([np.interp(energy * g, energy, row) for g, row in zip(gain, ln_rate, strict=True)])

    def _area_factor(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Effective area over the reference's: the detectors in use and a smooth known distortion, (size, bins)."""
        c = self.config
        detectors = rng.integers(c.detectors[0], c.detectors[1] + 1, size) / c.all_detectors
        energy = self.grid.energy
        x = 2 * np.log(energy / energy[0]) / np.log(energy[-1] / energy[0]) - 1
        basis = np.stack([x, x**2 - 1 / 3, x**3 - 0.6 * x])
        return detectors[:, None] * (1 + c.area_scatter * rng.standard_normal((size, 3)) @ basis)

    def _systematic(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Fractional error per bin (size, bins): none, constant, or growing towards high energies."""
        level = log_uniform(rng, self.config.systematic, size) * (rng.random(size) > self.config.systematic_free)
        growth = rng.uniform(0, 2, size) * (rng.random(size) < 0.3)
        return level[:, None] * (1 + growth[:, None] * self.grid.energy / self.grid.energy[-1])

    def _background(self, exposure: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Background counts and their error (B, bins), as the observer has them."""
        c, size = self.config, len(exposure)
        file = c.background_shape
        shape = tilted_shapes(file, self.grid, size, rng) if file else nicer_shapes(self.grid, size, rng)
        rate = log_uniform(rng, c.background_rate, size) * (rng.random(size) > c.background_free)
        expected = shape * (rate * exposure)[:, None]
        return measured_beside(expected, c.background_ratio, rng) if file else modelled(expected, rng)

    def _good(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Good bins (size, bins) bool: most spectra have no others, some lack an end of the band or a gap within it."""
        start, stop = np.zeros(size), np.zeros(size)
        kind = np.where(rng.random(size) < self.config.bad_share, rng.integers(1, 4, size), 0)
        bins = self.grid.bins
        cut = rng.integers(1, bins // 4, size)
        gap = rng.integers(0, bins * 5 // 6, size)
        start = np.select([kind == 2, kind == 3], [bins - cut, gap], 0)
        stop = np.select([kind == 1, kind == 2, kind == 3], [cut, bins, gap + cut // 2], 0)
        index = np.arange(bins)
        return ~((index >= start[:, None]) & (index < stop[:, None]))


def unit_norm_spectra(u: np.ndarray, response: Response, chunk: int = 2000) -> np.ndarray:
    """ln of the normalised rate [photons/cm^2/s/keV, folded] for norm = 1: u (N, 4) -> (N, bins) float32."""
    matrix = response.rebinned(MODEL_EDGES).matrix / (response.effective_area * response.grid.width)
    matrix = matrix.astype(np.float32)
    result = np.empty((len(u), response.grid.bins), dtype=np.float32)
    for start in range(0, len(u), chunk):
        part = u[start : start + chunk]
        theta = from_unit(np.column_stack([part, np.full(len(part), -LN_NORM_LOW / (LN_NORM_HIGH - LN_NORM_LOW))]))
        rate = photons(theta.astype(np.float32), MODEL_EDGES) @ matrix
        result[start : start + chunk] = np.log(np.maximum(rate, 1e-35))
    return result
