"""Simulate observations as files: exact physics, a response's channels, Poisson counts.

Unlike the training's simulator, which works on the network's bins, this one fills every detector channel, so that the
file can be read by any program.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.errors import InputError
from xspecnf.formats import pha
from xspecnf.ogip import Arf, Rmf, Spectrum, read_arf, read_rmf, read_spectrum
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.physics import photons

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """What to simulate.

    Attributes:
        theta: the five parameters in physical units.
        exposure: seconds.
        rmf: redistribution matrix or whole response.
        arf: effective area; None where the response includes it.
        background: spectrum whose counts are the expected background, scaled to `exposure`.

    Raises:
        ValueError: a parameter outside the prior's bounds, or an exposure that is not positive.
    """

    theta: tuple[float, ...]
    exposure: float
    rmf: Path
    arf: Path | None = None
    background: Path | None = None

    def __post_init__(self) -> None:
        for parameter, value in zip(BHB_PARAMETERS, self.theta, strict=True):
            if not parameter.low <= value <= parameter.high:
                raise ValueError(f"{parameter.name} = {value:g} lies outside {parameter.low:g} .. {parameter.high:g}")
        if not 0 < self.exposure < np.inf:
            raise ValueError(f"the exposure must be positive, got {self.exposure:g} s")


def simulate_file(setup: Setup, path: Path, seed: int) -> list[Path]:
    """Simulate and write `path`, with a copy of the background beside it as `<stem>_bg.pha`; returns what was written.

    Raises:
        InputError: a file exists already, a response cannot be read, or the background has other channels.
    """
    background_path = path.with_name(f"{path.stem}_bg.pha") if setup.background else None
    written = [target for target in (path, background_path) if target is not None]
    for target in written:
        if target.exists():
            raise InputError(f"{target}: exists already; remove it or choose another --output")
    rmf = read_rmf(setup.rmf)
    rate = channel_rate(np.asarray(setup.theta), rmf, read_arf(setup.arf) if setup.arf else None)
    expected = rate * setup.exposure
    if setup.background and background_path:
        template = read_spectrum(setup.background)
        expected = expected + _expected_background(template, rmf, setup.exposure)
        pha.write_background(background_path, template)
    header = pha.Links(
        respfile=_link(setup.rmf, path),
        ancrfile=_link(setup.arf, path),
        backfile=background_path.name if background_path else "none",
    )
    counts = np.random.default_rng(seed).poisson(expected)
    pha.write_spectrum(path, counts, setup.exposure, rmf.first_channel, header)
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


def _expected_background(template: Spectrum, rmf: Rmf, exposure: float) -> Float64:
    """Background counts (channels,) over the source's exposure; model backgrounds dip below zero, counts cannot."""
    if len(template.counts) != rmf.channels:
        raise InputError(
            f"{template.path}: {len(template.counts)} channels, {rmf.path} has {rmf.channels}; give its background"
        )
    scale = exposure / (template.exposure * template.backscal * template.areascal)
    return np.maximum(template.counts * scale, 0.0)


def _link(target: Path | None, pha_path: Path) -> str:
    """A response's path relative to the PHA's folder, where readers look first after the path itself."""
    return "none" if target is None else os.path.relpath(target, pha_path.parent or ".")
