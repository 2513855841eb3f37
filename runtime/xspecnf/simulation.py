"""Simulate observations as files, as XSPEC's fakeit does: exact physics, a response's channels, Poisson counts.

Unlike the training's simulator, which works on the network's bins, this one fills every detector channel, so that the
file can be read by any program. What is drawn is what the likelihood assumes (:mod:`xspecnf.marginal`):

    counts_c ~ Poisson[ t (1 + e g_k) m_c + b_c ],   b_c = max(0, B_c + sigma_c g_c),   g standard normal

with the model's rate m_c in channel c, the systematic error e, one deviate for all channels of the network's bin k,
which share one calibration, and the background B +- sigma of the file that is written beside the spectrum, scaled to
its exposure. A background is held at zero in the sum of a bin, not in each channel: many empty ones would add up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.coverage import in_place
from xspecnf.errors import InputError
from xspecnf.formats import pha
from xspecnf.grid import NICER
from xspecnf.ogip import Arf, Rmf, Spectrum, read_arf, read_rmf, read_spectrum
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.physics import photons

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """What to simulate; the files are read when they are first needed.

    Attributes:
        theta: the five parameters in physical units.
        exposure: seconds.
        rmf_file: redistribution matrix or whole response.
        arf_file: effective area; None where the response includes it.
        background_file: spectrum whose counts are the measured background, scaled to `exposure`.
        systematic: fractional error of the model in each of the network's bins.

    Raises:
        ValueError: a parameter outside the prior's bounds, an exposure that is not positive, a systematic error
            outside [0, 1).
    """

    theta: tuple[float, ...]
    exposure: float
    rmf_file: Path
    arf_file: Path | None = None
    background_file: Path | None = None
    systematic: float = 0.0

    def __post_init__(self) -> None:
        for parameter, value in zip(BHB_PARAMETERS, self.theta, strict=True):
            if not parameter.low <= value <= parameter.high:
                raise ValueError(f"{parameter.name} = {value:g} lies outside {parameter.low:g} .. {parameter.high:g}")
        if not 0 < self.exposure < np.inf:
            raise ValueError(f"the exposure must be positive, got {self.exposure:g} s")
        if not 0 <= self.systematic < 1:
            raise ValueError(f"the systematic error is a fraction in [0, 1), got {self.systematic:g}")

    @cached_property
    def rmf(self) -> Rmf:
        """The matrix. Raises InputError when it cannot be read."""
        return read_rmf(self.rmf_file)

    @cached_property
    def background(self) -> Spectrum | None:
        """The measured background. Raises InputError when it cannot be read or has other channels than the matrix."""
        if self.background_file is None:
            return None
        measured = read_spectrum(self.background_file)
        if len(measured.counts) != self.rmf.channels:
            found = f"{len(measured.counts)} channels, {self.rmf_file} has {self.rmf.channels}"
            raise InputError(f"{self.background_file}: {found}; give its background")
        if measured.void.any():
            found = f"{measured.void.sum()} channels without a value"
            raise InputError(f"{self.background_file}: {found}, of which nothing can be simulated; give another")
        return measured

    @cached_property
    def mission(self) -> tuple[str, str]:
        """TELESCOP and INSTRUME of the matrix, NICER's where it does not say."""
        return self.rmf.telescope or "NICER", self.rmf.instrument or "XTI"

    @cached_property
    def source(self) -> Float64:
        """Expected counts (channels,) of the source. Raises InputError when the ARF's energies are not the RMF's."""
        arf = read_arf(self.arf_file) if self.arf_file else None
        return channel_rate(np.asarray(self.theta), self.rmf, arf) * self.exposure

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Counts (channels,) of one observation, by rising energy."""
        expected = self.source
        if self.systematic:
            expected = expected * np.maximum(1 + self.systematic * _deviates(self.rmf.channels, rng), 0.0)
        if self.background is not None:
            measured = in_place(self.background, self.rmf.channels, self.rmf.numbering, str(self.rmf_file))
            expected = expected + _true_background(measured, self.exposure, rng)
        return rng.poisson(expected)


def simulated_files(path: Path, background: bool) -> list[Path]:
    """What :func:`simulate_file` writes: `path` and, with a background, its copy beside it as `<stem>_bg.pha`."""
    return [path, path.with_name(f"{path.stem}_bg.pha")] if background else [path]


def simulate_file(setup: Setup, path: Path, seed: int, replace: bool = False) -> list[Path]:
    """Simulate and write the :func:`simulated_files`; returns them. Their folder is made.

    replace: also where there is such a file already.

    Raises:
        InputError: a file exists already and is not to be replaced, a response cannot be read, or the background has
            other channels.
    """
    written = simulated_files(path, setup.background_file is not None)
    background_path = written[1] if setup.background_file else None
    for target in written:
        if target.exists() and not replace:
            raise InputError(f"{target}: exists already; remove it or choose another --output")
    counts = setup.draw(np.random.default_rng(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    if setup.background is not None and background_path is not None:
        pha.write_background(background_path, setup.background, pha.Header(*setup.mission))
    header = pha.Header(
        *setup.mission,
        respfile=_link(setup.rmf_file, path),
        ancrfile=_link(setup.arf_file, path),
        backfile=background_path.name if background_path else "none",
        history=tuple(_history(setup, seed)),
    )
    by_label = counts[::-1] if setup.rmf.numbering.descending else counts
    pha.write_spectrum(path, by_label, setup.exposure, setup.rmf.first_channel, header, setup.systematic)
    return written


def channel_rate(theta: Float64, rmf: Rmf, arf: Arf | None) -> Float64:
    """Expected counts/s of the source in every channel (channels,) for theta (5,).

    Raises:
        InputError: the ARF's energies are not the RMF's.
    """
    flux = photons(theta[None], rmf.energy_edges)[0]
    if arf is not None:
        if len(arf.area) != len(flux):
            raise InputError(f"{arf.path}: {len(arf.area)} energies, {rmf.path} has {len(flux)}; give a matching pair")
        flux = flux * arf.area
    return np.bincount(rmf.channel, weights=rmf.value * flux[rmf.energy], minlength=rmf.channels).astype(np.float64)


def _deviates(channels: int, rng: np.random.Generator) -> Float64:
    """Standard normal deviates (channels,): one for each of the network's bins, one for each channel outside them."""
    own = rng.standard_normal(channels)
    if channels != NICER.channels:
        return own
    bins = NICER.bin_of_channel
    return np.where(bins < 0, own, rng.standard_normal(NICER.bins)[bins])


def _true_background(measured: Spectrum, exposure: float, rng: np.random.Generator) -> Float64:
    """A background (channels,) that the measured one is an estimate of, over the source's exposure; its channels are
    counted from 0.
    """
    order = np.argsort(measured.channel)
    counts, error = measured.counts[order], np.sqrt(measured.variance[order])
    scale = (measured.exposure * measured.backscal * measured.areascal)[order]
    return _held_at_zero(counts + error * rng.standard_normal(len(error))) * exposure / scale


def _held_at_zero(counts: Float64) -> Float64:
    """None below zero (channels,), and the sum of each of the network's bins what it was, or zero if that was below."""
    held = np.maximum(counts, 0.0)
    if len(counts) != NICER.channels:
        return held
    total, kept = np.maximum(NICER.group(counts), 0.0), NICER.group(held)
    bins = NICER.bin_of_channel
    share = total / np.where(kept > 0, kept, 1.0)
    return np.where(bins < 0, held, held * share[bins])


def _history(setup: Setup, seed: int) -> Iterator[str]:
    """The truth, which a fit should find again."""
    yield f"simulated by xspecnf: TBabs(simplcutx(ezdiskbb)), seed {seed}"
    for parameter, value in zip(BHB_PARAMETERS, setup.theta, strict=True):
        yield f"{parameter.xspec} = {value:.10g} {parameter.unit}".rstrip()
    yield f"systematic error {setup.systematic:g}"


def _link(target: Path | None, pha_path: Path) -> str:
    """A response's path relative to the PHA's folder, where readers look first after the path itself."""
    return "none" if target is None else os.path.relpath(target, pha_path.parent or ".")
