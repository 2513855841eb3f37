"""The absorption of benchmarks/tbabs.py and the model of benchmarks/xspec_rates.py, against what others computed."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from xspecnf.physics import absorption

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEASURED = ((0.285, 0.295), (0.52, 0.58), (0.70, 0.78), (0.86, 0.88))
"""keV: edges of C, O, Fe and Ne, for which the table of TBabs has measured cross-sections."""

FITS = {"1050360105_17", "1130360103_0", "1130360182_4"}  # a tail alone, disc and tail, a disc alone


@pytest.fixture(scope="module")
def rates() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("xspec_rates")


def test_the_parts_make_up_the_whole(rates: ModuleType) -> None:
    """But for single points at edges, whose energies are known to three digits."""
    energy = np.geomspace(0.1, 20, 3000)
    smooth = ~np.any([(energy > low) & (energy < high) for low, high in MEASURED], axis=0)
    parts = rates.tbabs.cross_section(energy[smooth], "wilm")
    away = np.abs(parts / absorption.cross_section(energy[smooth]) - 1)
    assert np.quantile(away, 0.99) < 5e-3


def test_more_metals_absorb_more_where_metals_absorb(rates: ModuleType) -> None:
    ratio = rates.tbabs.cross_section(np.array([0.1, 1.0, 8.0]), "angr")
    ratio /= rates.tbabs.cross_section(np.array([0.1, 1.0, 8.0]), "wilm")
    assert ratio[0] == pytest.approx(1, abs=0.05)  # H and He, of equal abundance
    assert 1.4 < ratio[1] < 1.5
    assert ratio[2] == pytest.approx(4.68 / 2.69, rel=0.06)  # iron above its K edge


def test_the_lost_exponent_comes_back(rates: ModuleType) -> None:
    assert rates.with_exponent(1.04901, 10490.0) == pytest.approx(10490.1)
    assert rates.with_exponent(9263.96, 9271.0) == 9263.96


def test_two_bands_are_told_apart_by_whole_rates(rates: ModuleType) -> None:
    rows = [rates.Compared(share / 0.9, (1 - share) / 1.02, 1.0) for share in (0.1, 0.3, 0.6)]
    assert rates.two_bands(rows) == pytest.approx((0.9, 1.02, 0), abs=1e-12)


def test_xspec_predicts_what_the_model_does(rates: ModuleType, shared: Path) -> None:
    """With the abundances that XSPEC's fits were made with; far off with others."""
    nicer = shared / "nicer"
    with (nicer / "xspec_fits_maxi_j1535.csv").open(newline="") as file:
        fits = [rates.XspecFit.of(row) for row in csv.DictReader(file) if row["id"] in FITS]
    files, sigma = rates.spectra(nicer / "maxi_j1535"), rates.cross_sections()
    assert len(fits) == len(FITS)
    for fit in fits:
        found = rates.compared(fit, files[fit.name], nicer / "response" / "nicer.rmf.gz", nicer / "arf", sigma)
        assert found["angr"].rate == pytest.approx(1, abs=0.05)
        assert found["angr"].pgstat == pytest.approx(1, abs=0.12)
        assert found["wilm"].rate > 1.3
