"""The model beside XSPEC's: `python benchmarks/xspec_rates.py FITS.csv SPECTRA --rmf FILE --arfs FOLDER`.

FITS.csv holds XSPEC's fits of tbabs*simpl*diskbb (UpScattOnly = 1) to some of the spectra below SPECTRA, one a row: id
(observation and interval), noticed (groups of channels), pred_rate, pgstat and the parameters. At these parameters the
same model of xspecnf.physics is folded through the response and compared with XSPEC's predicted rate and statistic,
absorbed with the abundances of Wilms et al. (2000, wilm, the runtime's) and of Anders & Grevesse (1989, angr, XSPEC's
default; benchmarks/tbabs.py). Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import tbabs
from numpy.typing import NDArray

from xspecnf import pgstat, read_observation
from xspecnf.grid import Grid
from xspecnf.observation import Observation
from xspecnf.ogip import read_spectrum
from xspecnf.physics import absorption
from xspecnf.physics.disc import diskbb
from xspecnf.physics.simpl import simpl

Float64 = NDArray[np.float64]

ABUNDANCES = ("wilm", "angr")
CHANNELS = Grid(channel_edges=(0, 1501), group_sizes=(1,), energy_range=(0.0, 16.0), bins=1501)
EDGES = np.geomspace(0.02, 200.0, 3001)  # keV; beyond the response's, as photons are scattered in and out of it
PARTS = 16  # of a bin, over which the transmission is averaged
BETWEEN = 2.0  # keV: the fits leave out 1.5-2.4 keV
LOW_SHARES = (0.0, 0.1, 0.2, 0.4, 1.0)
LEVELS = (5, 16, 50, 84, 95)


@dataclass(frozen=True)
class XspecFit:
    """A row of the table: what was fitted, the parameters (nH in 1e22 cm^-2, Tin in keV) and XSPEC's results.

    noticed: first and last group of channels of each range, counted from 1. rate: of the model, counts/s.
    """

    name: str
    noticed: tuple[tuple[int, int], ...]
    nh: float
    gamma: float
    f_sc: float
    temperature: float
    norm: float
    rate: float
    pgstat: float

    @classmethod
    def of(cls, row: Mapping[str, str]) -> XspecFit:
        ranges = (span.split("-") for span in row["noticed"].split(","))
        return cls(
            name=row["id"],
            noticed=tuple((int(first), int(last)) for first, last in ranges),
            nh=float(row["nH"]),
            gamma=float(row["Gamma"]),
            f_sc=float(row["FracSctr"]),
            temperature=float(row["Tin"]),
            norm=float(row["norm"]),
            rate=with_exponent(float(row["pred_rate"]), float(row["rate"])),
            pgstat=float(row["pgstat"]),
        )


@dataclass(frozen=True)
class Compared:
    """Rates of the model below and above BETWEEN, and its PGSTAT, over XSPEC's whole rate and PGSTAT."""

    low: float
    high: float
    pgstat: float

    @property
    def rate(self) -> float:
        return self.low + self.high


def with_exponent(predicted: float, observed: float) -> float:
    """A predicted rate whose exponent was lost on writing the table, by the observed one."""
    return predicted * 10.0 ** round(np.log10(observed / predicted))


def emitted(fit: XspecFit) -> Float64:
    """Photons/cm^2/s in each bin of EDGES before absorption (1, n)."""
    energy, width = np.sqrt(EDGES[:-1] * EDGES[1:]), np.diff(EDGES)
    disc = fit.norm * width * diskbb(energy, np.array([[fit.temperature]]))
    return simpl(disc, EDGES, np.array([[fit.gamma]]), np.array([[fit.f_sc]]), up_only=True)


def cross_sections() -> dict[str, Float64]:
    """1e-22 cm^2 at PARTS energies in each bin of EDGES (PARTS, n), by abundances.

    What is computed for angr is brought to the runtime's table by its ratio to wilm, whose edges were measured.
    """
    energy = EDGES[:-1] + (np.arange(PARTS)[:, None] + 0.5) / PARTS * np.diff(EDGES)
    table, flat = absorption.cross_section(energy), np.maximum(energy, 0.1).ravel()
    ratio = tbabs.cross_section(flat, "angr") / tbabs.cross_section(flat, "wilm")
    return {"wilm": table, "angr": table * ratio.reshape(energy.shape)}


def compared(fit: XspecFit, path: Path, rmf: Path, arfs: Path, sigma: Mapping[str, Float64]) -> dict[str, Compared]:
    """One row beside the model, by abundances."""
    spectrum = read_spectrum(path)
    obs = read_observation(path, rmf=rmf, arf=arfs / Path(spectrum.ancrfile).name, grid=CHANNELS)
    group = np.cumsum(spectrum.grouping != -1)
    noticed = np.any([(group >= first) & (group <= last) for first, last in fit.noticed], axis=0)
    matrix = obs.response.rebinned(EDGES).matrix
    photons = emitted(fit)[0]
    rates = {name: (photons * np.exp(-fit.nh * sigma[name]).mean(axis=0)) @ matrix for name in ABUNDANCES}
    return {name: _compared(fit, obs, rate, group, noticed) for name, rate in rates.items()}


def _compared(
    fit: XspecFit, obs: Observation, rate: Float64, group: NDArray[np.int64], noticed: NDArray[np.bool_]
) -> Compared:
    first = np.flatnonzero(np.diff(group[noticed], prepend=-1))

    def grouped(values: Float64) -> Float64:
        return np.add.reduceat(values[noticed], first)

    statistic = pgstat(
        grouped(obs.counts),
        grouped(rate * obs.exposure),
        grouped(obs.background),
        np.sqrt(grouped(obs.background_error**2)),
    )
    low = obs.energy_hi <= BETWEEN
    return Compared(
        rate[noticed & low].sum() / fit.rate, rate[noticed & ~low].sum() / fit.rate, float(statistic) / fit.pgstat
    )


def by_abundances(results: Sequence[Mapping[str, Compared]]) -> str:
    """Markdown: the distributions of the ratios for each set of abundances."""
    head = ("abundances", *(f"rate, {level} %" for level in LEVELS), "within 1 %", "PGSTAT, 16 / 50 / 84 %")
    lines = [head, ["---"] * len(head)]
    for name in ABUNDANCES:
        rates = np.array([row[name].rate for row in results])
        levels = (f"{q:.3f}" for q in np.percentile(rates, LEVELS))
        statistics = _quantiles([row[name].pgstat for row in results])
        lines.append((name, *levels, f"{np.mean(np.abs(rates - 1) < 0.01):.0%}", statistics))
    return _table(lines)


def by_share(rows: Sequence[Compared]) -> str:
    """Markdown: the ratios of the rates by the share of the rate below BETWEEN."""
    lines = [(f"share of the rate below {BETWEEN:g} keV", "fits", "rate, 16 / 50 / 84 %"), ["---"] * 3]
    shares, rates = np.array([(row.low / row.rate, row.rate) for row in rows]).T
    for low, high in pairwise(LOW_SHARES):
        inside = (shares >= low) & (shares < high)
        if np.any(inside):
            lines.append((f"{low:g} - {high:g}", str(inside.sum()), _quantiles(rates[inside])))
    return _table(lines)


def two_bands(rows: Sequence[Compared]) -> tuple[float, float, float]:
    """Factors on the model's rates below and above BETWEEN that make its whole rates XSPEC's, and the rms left."""
    parts = np.array([(row.low, row.high) for row in rows])
    below, above = np.linalg.lstsq(parts, np.ones(len(parts)))[0].tolist()
    return below, above, float(np.std(parts @ [below, above]))


def _quantiles(values: Sequence[float] | Float64) -> str:
    return " / ".join(f"{q:.3f}" for q in np.quantile(values, (0.16, 0.5, 0.84)))


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spectra(folder: Path) -> dict[str, Path]:
    """Files by the table's ids, `<observation>_<interval>`."""
    return {f"{path.parent.name}_{path.stem.split('GTI')[1]}": path for path in folder.rglob("*GTI*.jsgrp")}


def main() -> None:
    parser = argparse.ArgumentParser(description="The model beside XSPEC's.")
    parser.add_argument("fits", type=Path, help="table of XSPEC's fits")
    parser.add_argument("spectra", type=Path, help="folder of the spectra that were fitted")
    parser.add_argument("--rmf", type=Path, required=True, help="redistribution matrix for all")
    parser.add_argument("--arfs", type=Path, required=True, help="folder with the ARFs that the headers name")
    parser.add_argument("--every", type=int, default=1, help="take every n-th fit only")
    options = parser.parse_args()
    with options.fits.open(newline="") as file:
        fits = [XspecFit.of(row) for row in csv.DictReader(file)][:: options.every]
    files, sigma = spectra(options.spectra), cross_sections()
    results = [compared(fit, files[fit.name], options.rmf, options.arfs, sigma) for fit in fits if fit.name in files]
    if not results:
        parser.error(f"{options.spectra}: none of the table's spectra is there; give the folder with the .jsgrp files")
    angr = [row["angr"] for row in results]
    below, above, left = two_bands(angr)
    print(f"{len(results)} fits; ratios of the model's figures to XSPEC's", by_abundances(results), sep="\n\n")
    print(f"With angr:\n\n{by_share(angr)}")
    bands = f"{below:.3f} of the model's below {BETWEEN:g} keV and {above:.3f} of it above"
    print(f"Least squares: XSPEC's rates are {bands}, to {left:.1%} (rms).")


if __name__ == "__main__":
    main()
