"""Beside sherpa's own reader, on every file of ../shared/data/ogip that both read (`pip install sherpa`)."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from xspecnf.ogip import Spectrum, read_arf, read_rmf, read_spectrum

pytestmark = pytest.mark.filterwarnings("ignore")  # sherpa's, about XSPEC and plotting

NAMES = """3c120_heg_1.pha.gz 3c273.pi 3c273_bg.pi 9774.pi 9774_bg.pi back.pi back1.pi background.pi obs1.pi obs1_bg.pi
    hxmt/P011160506306_HE_BKG.fits hxmt/P011160506306_HE_TOTAL.fits q1127_src1_grp30.pi r1grspec.pha sis0.pha source.pi
    refake_0934_1_21_1e4.fak rxte/cor_rbs.s1550_d1710_a.2.pha s0_mar24_bin.pha source1.pi source_bin10.pi source_rate.pi
    swift/interval0pc.pi swift/interval0pcback.pi swift/interval0pcsource.pi xrbg_xspec.pi"""
RESPONSES = [("3c273.rmf", "3c273.arf"), ("9774.rmf", "9774.arf"), ("obs1.rmf", "obs1.arf"), ("back.rmf", "back.arf")]
RESPONSES += [("source.rmf", "source.arf"), ("s0_mar24.rmf", "s0_mar24.arf"), ("sis0.rmf", "sis0.arf")]
RESPONSES += [("pspcc_gain1_256.rsp", ""), ("rxte/p2_xe_1998-09-08.rsp", ""), ("hxmt/P011160506306_HE_RSP.fits", "")]
BACKGROUNDS = [("3c273.pi", "3c273_bg.pi"), ("9774.pi", "9774_bg.pi"), ("obs1.pi", "obs1_bg.pi")]
BACKGROUNDS += [("swift/interval0pc.pi", "swift/interval0pcback.pi")]


@pytest.fixture(scope="module")
def sherpa() -> ModuleType:
    logging.getLogger("sherpa").setLevel(logging.CRITICAL)
    return pytest.importorskip("sherpa.astro.io", reason="sherpa is not installed")


@pytest.mark.parametrize("name", NAMES.split())
def test_spectra(sherpa: ModuleType, shared: Path, name: str) -> None:
    path = shared / "ogip" / name
    agree(read_spectrum(path), sherpa.read_pha(str(path), use_errors=True))


def test_rows_of_a_type_2_file(sherpa: ModuleType, shared: Path) -> None:
    path = shared / "ogip" / "3c120_pha2.gz"
    rows = sherpa.read_pha(str(path), use_errors=True)
    assert len(rows) == 12
    for number, theirs in enumerate(rows, 1):
        agree(read_spectrum(f"{path}{{{number}}}"), theirs)


def agree(ours: Spectrum, theirs: Any) -> None:
    """Channels, counts, errors, exposure, scales, quality and grouping."""
    assert np.array_equal(theirs.channel, ours.channel)
    assert theirs.counts == pytest.approx(ours.counts, rel=1e-12)
    assert theirs.exposure == ours.exposure
    for name in ("backscal", "areascal", "quality", "grouping"):
        stated = getattr(theirs, name)
        assert stated is None or np.array_equal(np.broadcast_to(stated, ours.counts.shape), getattr(ours, name))
    if ours.error is not None:
        assert theirs.staterror == pytest.approx(ours.error, rel=1e-6)
    assert theirs.syserror is None or np.array_equal(theirs.syserror, ours.systematic)


@pytest.mark.parametrize(("source", "background"), BACKGROUNDS)
def test_how_a_background_scales(sherpa: ModuleType, shared: Path, source: str, background: str) -> None:
    """Exposure x BACKSCAL x AREASCAL of the source over that of the background."""
    ours, its = (read_spectrum(shared / "ogip" / name) for name in (source, background))
    scale = [spectrum.exposure * spectrum.backscal * spectrum.areascal for spectrum in (ours, its)]
    theirs = sherpa.read_pha(str(shared / "ogip" / source)).get_background_scale(1, units="counts")
    assert np.broadcast_to(theirs, ours.counts.shape) == pytest.approx(scale[0] / scale[1], rel=1e-12)


@pytest.mark.parametrize(("rmf", "arf"), RESPONSES)
def test_a_unit_spectrum_folds_to_the_same_rates(sherpa: ModuleType, shared: Path, rmf: str, arf: str) -> None:
    """One photon/cm^2/s in each energy bin."""
    matrix = read_rmf(shared / "ogip" / rmf)
    theirs = sherpa.read_rmf(str(shared / "ogip" / rmf))
    area = theirs_area = np.ones(len(matrix.energy_edges) - 1)
    if arf:
        area = read_arf(shared / "ogip" / arf).area
        theirs_area = sherpa.read_arf(str(shared / "ogip" / arf)).specresp
    expected = theirs.apply_rmf(theirs_area)
    rates = np.bincount(matrix.channel, weights=matrix.value * area[matrix.energy], minlength=matrix.channels)
    assert rates == pytest.approx(expected, rel=1e-9, abs=1e-12 * expected.max())
    assert matrix.channel_edges[:-1] == pytest.approx(theirs.e_min, rel=1e-6)
    assert matrix.first_channel == theirs.offset
