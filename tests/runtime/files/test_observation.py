import csv
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xspecnf import read_observation
from xspecnf.errors import InputError
from xspecnf.grid import NICER
from xspecnf.observation import Observation
from xspecnf.ogip import read_rmf, read_spectrum
from xspecnf.response import Response

CHANNELS = 1501
EDGES = np.array([0.3, 1.0, 10.0])


@pytest.fixture
def observe(write_pha, write_rmf, write_arf) -> Callable[..., Observation]:
    """observe(columns, background=(columns, keywords), KEYWORD=value) -> the observation of files written for it."""
    rmf = write_rmf("flat.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS))
    arf = write_arf("flat.arf", EDGES, np.array([100.0, 200.0]))

    def read(columns: dict | None = None, background: tuple[dict, dict] | None = None, **header) -> Observation:
        options = {name: header.pop(name) for name in ("systematic", "reference") if name in header}
        if background is not None:
            write_pha("source_bg.pha", background[0], **background[1])
        return read_observation(write_pha("source.pha", columns, **header), rmf=rmf, arf=arf, **options)

    return read


def test_counts_exposure_and_energies(observe):
    counts = np.arange(CHANNELS)
    obs = observe({"COUNTS": counts}, EXPOSURE=321.0)
    assert obs.counts[0] == 29 + 30 + 31
    assert np.array_equal(obs.counts, NICER.group(counts))
    assert obs.exposure == 321
    assert (obs.energy_lo[0], obs.energy_hi[-1]) == (pytest.approx(0.29), pytest.approx(9.95))
    for field in ("counts", "background", "background_error", "energy_lo", "energy_hi", "systematic"):
        assert getattr(obs, field).dtype == np.float64
    assert obs.good.dtype == bool


def test_rows_in_any_order_land_on_their_channels(observe):
    order = np.random.default_rng(0).permutation(CHANNELS)
    obs = observe({"CHANNEL": order, "COUNTS": order * 2})
    assert np.array_equal(obs.counts, NICER.group(2 * np.arange(CHANNELS)))


def test_background_is_scaled_by_exposure_and_both_scales(observe):
    background = {"COUNTS": np.full(CHANNELS, 4.0), "BACKSCAL": np.full(CHANNELS, 2.0)}
    obs = observe(background=(background, {"EXPOSURE": 50.0, "AREASCAL": 0.5}), EXPOSURE=200.0, BACKSCAL=3.0)
    ratio = 200 * 3 / (50 * 2 * 0.5)
    assert np.allclose(obs.background, ratio * 4 * NICER.channels_per_bin)
    assert np.allclose(obs.background_error, ratio * np.sqrt(4 * NICER.channels_per_bin))
    assert obs.has_background
    assert obs.notes == ()


def test_stated_background_errors_add_in_quadrature_and_negative_counts_stay(observe):
    columns = {"COUNTS": np.full(CHANNELS, -1.0), "STAT_ERR": np.full(CHANNELS, 3.0)}
    obs = observe(background=(columns, {"POISSERR": False}))
    assert np.array_equal(obs.background, -NICER.channels_per_bin)
    assert np.allclose(obs.background_error, 3 * np.sqrt(NICER.channels_per_bin))


@pytest.mark.parametrize("stated", ["a column", "a keyword", "STAT_ERR"])
def test_a_background_s_systematic_error_adds_in_quadrature_by_channel(observe, stated):
    """OGIP/92-007: to the statistical error, here Poisson's. What STAT_ERR alone says then is the same."""
    columns, keywords = {"COUNTS": np.full(CHANNELS, 100)}, {}
    if stated == "a column":
        columns["SYS_ERR"] = np.full(CHANNELS, 0.2)
    elif stated == "a keyword":
        keywords["SYS_ERR"] = 0.2
    else:
        columns["STAT_ERR"], keywords["POISSERR"] = np.full(CHANNELS, np.sqrt(100 + 20**2)), False
    obs = observe(background=(columns, keywords))
    np.testing.assert_allclose(obs.background_error, np.sqrt(500 * NICER.channels_per_bin), rtol=1e-6)
    assert not obs.systematic.any()
    told = ("source_bg.pha: its SYS_ERR was added to its errors, each channel by itself",)
    assert obs.notes == (told if stated != "STAT_ERR" else ())


@pytest.mark.parametrize(("corrscal", "areascal"), [(1.0, 1.0), (-0.5, 2.0)])
def test_a_correction_file_is_subtracted_without_errors(observe, write_pha, corrscal, areascal):
    """Scaled as a background is, times CORRSCAL; beside a background and without one."""
    write_pha("corr.pha", {"COUNTS": np.full(CHANNELS, 7)}, EXPOSURE=50.0, AREASCAL=areascal)
    names = {"CORRFILE": "corr.pha", "CORRSCAL": corrscal}
    expected = corrscal * 2 * 7 / areascal * NICER.channels_per_bin
    alone = observe(**names)
    np.testing.assert_allclose(alone.background, expected)
    assert not alone.background_error.any()
    assert any("corr.pha" in note and "without errors" in note for note in alone.notes)
    assert alone.files is not None
    assert alone.files.correction is not None
    assert (alone.files.correction.name, alone.files.corrscal) == ("corr.pha", corrscal)


def test_a_correction_beside_a_background(observe, write_pha, tmp_path):
    write_pha("corr.pha", {"COUNTS": np.full(CHANNELS, 7)}, QUALITY=0)
    columns = {"COUNTS": np.full(CHANNELS, 4)}
    obs = observe(background=(columns, {}), CORRFILE="corr.pha")
    np.testing.assert_allclose(obs.background, 11 * NICER.channels_per_bin)
    np.testing.assert_allclose(obs.background_error, np.sqrt(4 * NICER.channels_per_bin))


def test_a_correction_without_a_value_costs_its_bin(observe, write_pha):
    area = np.ones(CHANNELS)
    area[30] = 0
    write_pha("corr.pha", {"AREASCAL": area})
    assert np.flatnonzero(~observe(CORRFILE="corr.pha").good).tolist() == [0]


@pytest.mark.parametrize("names", [{"CORRFILE": "none"}, {"CORRFILE": "gone.pha", "CORRSCAL": 0.0}, {"CORRFILE": ""}])
def test_no_correction_is_no_note(observe, names):
    obs = observe(**names)
    assert (obs.missing_correction, obs.background.any()) == ("", False)
    assert not any("correction" in note for note in obs.notes)


def test_a_correction_that_is_gone_is_told(observe):
    obs = observe(CORRFILE="gone.pha")
    assert obs.missing_correction == "gone.pha"
    assert any("gone.pha was not found; it was not subtracted" in note for note in obs.notes)


UNITS = {"count/s": 1, "counts/s": 1, "ct s-1": 1, "s**-1": 1, "COUNTS/SEC": 1, "count/ks": 1e3, "cts/min": 60, "": 1}


@pytest.mark.parametrize("unit", UNITS)
def test_rates_by_their_units(write_pha, unit):
    """Of RATE and of its STAT_ERR, which may have another one."""
    path = write_pha("rate.pha", {"COUNTS": None, "RATE": np.full(CHANNELS, 6.0), "STAT_ERR": np.full(CHANNELS, 3.0)})
    with fits.open(path, mode="update") as hdus:
        hdus[1].header.update({"TUNIT2": unit, "TUNIT3": "count/min", "POISSERR": False})
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.counts, 600 / UNITS[unit])
    np.testing.assert_allclose(spectrum.error, 300 / 60)


@pytest.mark.parametrize(("column", "unit"), [("RATE", "count/s/keV"), ("RATE", "count"), ("COUNTS", "count/s")])
def test_other_units_are_refused(write_pha, column, unit):
    path = write_pha("other.pha", {"COUNTS": None, column: np.full(CHANNELS, 6.0)})
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["TUNIT2"] = unit
    with pytest.raises(InputError, match=rf"other\.pha: {column} is in '{unit}', count.* expected; convert"):
        read_spectrum(path)


def state_null(path: Path, column: int, value: int) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus[1].header[f"TNULL{column}"] = value


@pytest.mark.parametrize("null", [65535, -99])
@pytest.mark.parametrize("which", ["source.pha", "source_bg.pha"])
def test_undefined_counts_are_left_out(write_pha, write_rmf, write_arf, null, which):
    counts = np.full(CHANNELS, 5)
    counts[[30, 40]] = null
    for name in ("source.pha", "source_bg.pha"):
        path = write_pha(name, {"COUNTS": counts if name == which else np.full(CHANNELS, 5)})
        if name == which:
            state_null(path, 2, null)
    rmf = write_rmf("flat.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS))
    arf = write_arf("flat.arf", EDGES, np.array([100.0, 200.0]))
    obs = read_observation(path.with_name("source.pha"), rmf=rmf, arf=arf)
    assert np.flatnonzero(~obs.good).tolist() == [0, 3]
    assert obs.counts.max() == 5 * NICER.channels_per_bin.max()
    assert next(note for note in obs.notes if "hold no value" in note).startswith(f"{which}: 2 channels")


def test_undefined_numbers_elsewhere_are_refused(write_pha, write_rmf):
    path = write_pha()
    state_null(path, 1, 7)
    with pytest.raises(InputError, match=r"source\.pha: CHANNEL is undefined \(TNULL\) in row 7"):
        read_spectrum(path)
    rmf = write_rmf("flat.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS), layout="scalar")
    state_null(rmf, 4, 0)
    with pytest.raises(InputError, match=r"flat\.rmf: F_CHAN is undefined"):
        read_rmf(rmf)


def test_an_observation_says_what_it_was_read_from(write_pha, write_rmf, write_arf, tmp_path):
    rmf = write_rmf("named.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS))
    write_arf("source.arf", EDGES, np.array([100.0, 200.0]))
    write_pha("other.pha")
    obs = read_observation(write_pha(RESPFILE="named.rmf"), background=tmp_path / "other.pha")
    files = obs.files
    assert files is not None
    assert (files.spectrum, files.rmf, files.arf) == (tmp_path / "source.pha", rmf, tmp_path / "source.arf")
    assert (files.background, files.correction) == (tmp_path / "other.pha", None)
    assert files.why == {"rmf": "header", "arf": "name", "background": "option"}
    assert files.words()[1].endswith("source.arf (by the spectrum's name)")
    assert type(files).of(files.record()) == files


def test_background_rates(observe):
    columns = {"COUNTS": None, "RATE": np.full(CHANNELS, 0.5), "STAT_ERR": np.full(CHANNELS, 0.1)}
    obs = observe(background=(columns, {"POISSERR": False, "EXPOSURE": 20.0}), EXPOSURE=200.0)
    assert np.allclose(obs.background, 0.5 * 200 * NICER.channels_per_bin)
    assert np.allclose(obs.background_error, 0.1 * 200 * np.sqrt(NICER.channels_per_bin))


@pytest.mark.parametrize(
    ("backfile", "option", "words"),
    [
        ("none", None, "no background file"),
        ("gone.bg", None, "gone.bg was not found"),
        ("gone.bg", "none", "no background, as asked"),
    ],
)
def test_no_background_is_allowed_and_said(write_pha, example, backfile, option, words):
    path = write_pha(BACKFILE=backfile)
    arf, rmf = example.with_suffix(".arf"), example.with_suffix(".rmf.gz")
    obs = read_observation(path, rmf=rmf, arf=arf, background=option)
    assert not obs.has_background
    assert not obs.background.any()
    assert not obs.background_error.any()
    assert words in obs.notes[-1]
    assert "zero" in obs.notes[-1]


def test_systematic_is_the_count_weighted_mean_within_a_bin(observe):
    counts, errors = np.zeros(CHANNELS), np.zeros(CHANNELS)
    counts[29:32], errors[29:32] = [10, 30, 0], [0.01, 0.03, 0.9]
    errors[32:35] = [0.01, 0.02, 0.06]  # a bin without counts
    obs = observe({"COUNTS": counts, "SYS_ERR": errors})
    assert obs.systematic[:2] == pytest.approx([0.025, 0.03])
    assert not obs.systematic[2:].any()


def test_systematic_option_overrides_the_file(observe, example):
    assert read_observation(example).systematic.min() == pytest.approx(0.015)
    assert np.all(read_observation(example, systematic=0.03).systematic == 0.03)
    assert np.all(read_observation(example, systematic=0).systematic == 0)
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match=r"pha.*systematic"):
            read_observation(example, systematic=wrong)


def test_a_bin_with_a_bad_channel_is_not_good(observe):
    quality = np.zeros(CHANNELS, int)
    quality[[0, 30, 990]] = [1, 2, 5]
    assert np.flatnonzero(~observe({"QUALITY": quality}).good).tolist() == [0, 239]


def test_channels_that_a_file_leaves_out_are_bad(observe):
    kept = np.arange(100, CHANNELS)
    obs = observe({"CHANNEL": kept, "COUNTS": np.ones(len(kept), int)})
    assert obs.counts.sum() == NICER.group(np.arange(CHANNELS) >= 100).sum()
    assert np.array_equal(obs.good, NICER.first_channel >= 100)


def test_areascal_scales_the_response(observe):
    response = observe(AREASCAL=0.5).response
    assert np.allclose(response.matrix.max(axis=1), 0.5 * np.array([100, 200]) * 5 / CHANNELS)


# Responses


def test_a_whole_response_needs_no_arf(write_pha, write_rmf, write_arf):
    path = write_pha()
    write_rmf("source.rsp", EDGES, np.full((2, CHANNELS), 0.1), extname="SPECRESP MATRIX")
    assert np.allclose(read_observation(path).response.matrix, 0.1 * NICER.channels_per_bin)
    arf = write_arf("source.arf", EDGES, np.ones(2))
    assert np.allclose(read_observation(path).response.matrix, 0.1 * NICER.channels_per_bin)
    with pytest.raises(InputError, match=r"source\.rsp.*includes.*--arf"):
        read_observation(path, arf=arf)


def test_without_response_the_reference_is_used_only_when_given(write_pha, write_rmf):
    path = write_pha()
    reference = Response(EDGES.copy(), np.ones((2, 240)), "the reference")
    with pytest.raises(InputError, match=r"no RMF found.*source\.rmf.*--rmf.*--response bundle"):
        read_observation(path)
    obs = read_observation(path, reference=reference)
    assert obs.response is reference
    assert "the reference" in obs.notes[0]
    write_rmf("source.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS))
    with pytest.raises(InputError, match=r"no ARF found.*source\.arf.*--arf"):
        read_observation(path)
    assert read_observation(path, reference=reference).response is reference


def test_files_come_before_the_reference(example):
    reference = Response(EDGES.copy(), np.ones((2, 240)), "the reference")
    obs = read_observation(example, reference=reference)
    assert obs.response.name == "1200120106.rmf.gz x 1200120106.arf"


def test_spectra_of_one_response_share_it(example):
    assert read_observation(example).response is read_observation(example).response


def test_what_the_files_leave_open_is_said(observe, write_pha):
    said = observe(SYS_ERR=None, QUALITY=None, POISSERR=False).notes
    assert "does not state SYS_ERR, QUALITY; SYS_ERR = 0, QUALITY = 0 assumed" in said[0]
    assert "POISSERR = F and no STAT_ERR" in said[1]


@pytest.mark.parametrize(("scale", "said"), [(1.0, False), (3.0, True)])
def test_errors_that_are_not_poisson_s_are_said(observe, scale, said):
    columns = {"COUNTS": np.full(CHANNELS, 100), "STAT_ERR": np.full(CHANNELS, 10 * scale)}
    notes = observe(columns, background=({"COUNTS": np.full(CHANNELS, 10)}, {}), POISSERR=False).notes
    assert notes == (("source.pha: its stated variance is 9 times that of Poisson counts and was not used",) * said)


@pytest.mark.parametrize(("counts", "said"), [(1, True), (4, False)])
def test_a_background_of_few_counts_is_said(observe, counts, said):
    obs = observe(background=({"COUNTS": np.full(CHANNELS, counts)}, {}))
    middle = counts * np.median(NICER.channels_per_bin)
    assert obs.poisson_background == (middle if said else None)
    assert (
        obs.notes
        == (f"the background's errors are square roots of {middle:.2g} counts a bin: too few for a Gaussian",) * said
    )


@pytest.mark.parametrize(("error", "few"), [(0.3, False), (1.0, True)])
def test_stated_errors_are_not_poisson_s(observe, error, few):
    """Unless they are the square roots, as stated by who had no better."""
    columns = {"COUNTS": np.ones(CHANNELS), "STAT_ERR": np.full(CHANNELS, error)}
    obs = observe(background=(columns, {"POISSERR": False}))
    assert (obs.poisson_background is not None) == few
    assert len(obs.notes) == few


def test_bins_without_area_are_left_out_and_said(write_pha, write_rmf, write_arf):
    halves = np.repeat(np.eye(2), [CHANNELS // 2, CHANNELS - CHANNELS // 2], axis=1) / CHANNELS
    rmf, arf = write_rmf("halves.rmf", EDGES, halves), write_arf("soft.arf", EDGES, np.array([100.0, 0.0]))
    obs = read_observation(write_pha("source.pha"), rmf=rmf, arf=arf)
    assert 0 < obs.good.sum() < NICER.bins
    assert np.all(obs.response.effective_area[obs.good] > 0)
    (note,) = [note for note in obs.notes if "no area" in note]
    assert (
        note == f"halves.rmf x soft.arf: no area in {(~obs.good).sum()} bins within 7.50-9.95 keV, which were left out"
    )
    with pytest.raises(InputError, match="has no area in some of the good bins"):
        replace(obs, good=np.ones(NICER.bins, dtype=bool))


def test_a_background_less_than_its_error_is_said(observe):
    counts = np.full(CHANNELS, 100.0)
    swapped = {"COUNTS": counts**0.5, "STAT_ERR": counts**2}
    notes = observe(background=(swapped, {"POISSERR": False})).notes
    assert [note.split(";")[0] for note in notes] == [
        "source_bg.pha: its 1.5e+04 counts are less than their stated error, 3.87e+05"
    ]


def test_a_background_without_all_channels_is_said(observe):
    short = {"CHANNEL": np.arange(900), "COUNTS": np.full(900, 100)}
    notes = observe(background=(short, {})).notes
    assert notes == ("source_bg.pha: no row for 95 of the 966 channels in use; they were taken as zero",)


def test_a_response_with_other_energies_is_refused(write_pha, write_rmf, write_arf):
    rmf = write_rmf("gain.rmf", EDGES, np.full((2, CHANNELS), 1 / CHANNELS))
    with fits.open(rmf, mode="update") as hdus:
        for column in ("E_MIN", "E_MAX"):
            hdus["EBOUNDS"].data[column] *= 1.1
    with pytest.raises(InputError, match=r"gain\.rmf: its channel \d+ begins at .* keV.*NICER"):
        read_observation(write_pha(), rmf=rmf, arf=write_arf("a.arf", EDGES, np.ones(2)))


# What cannot be used


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TELESCOP": "CHANDRA"}, r"'CHANDRA'.*not a NICER.*nicer-bhb \(NICER\).*xspecnf train.*docs/training\.md"),
        ({"HDUCLAS2": "NET"}, "already subtracted.*two files"),
        ({"TELESCOP": None}, "no TELESCOP"),
        ({"DETCHANS": 1024}, "1024 detector channels.*1501"),
        ({"DETCHANS": None, "columns": {"CHANNEL": np.arange(10), "COUNTS": np.ones(10)}}, "10 detector channels"),
        ({"columns": {"CHANNEL": np.arange(1, CHANNELS + 1)}}, r"numbered from 1, those of .*\.rmf x .*\.arf from 0"),
        ({"columns": {"CHANNEL": np.arange(9, 1600), "COUNTS": np.ones(1591)}}, r"channels 9\.\.1599 reach outside 0"),
        ({"background": ({"CHANNEL": np.arange(1, CHANNELS + 1)}, {})}, r"source_bg\.pha.*from 1, those of the source"),
        ({"columns": {"CHANNEL": np.zeros(CHANNELS, int)}}, "twice"),
        ({"columns": {"COUNTS": np.full(CHANNELS, -2)}}, "-2 counts in channel 0.*background"),
        ({"columns": {"SYS_ERR": np.full(CHANNELS, -0.1)}}, r"SYS_ERR of -0\.1\.\.-0\.1 are no fractions"),
        ({"columns": {"SYS_ERR": np.full(CHANNELS, 30.0)}}, r"SYS_ERR of 30\.\.30 are no fractions"),
        ({"columns": {"QUALITY": np.full(CHANNELS, -1)}}, r"QUALITY of -1\.\.-1, 0\.\.5 in the standard"),
        ({"background": ({"COUNTS": np.full(CHANNELS, np.nan)}, {})}, r"source_bg\.pha: COUNTS is nan in row 0, not"),
        ({"background": ({}, {"EXPOSURE": 0.0})}, r"source_bg\.pha: EXPOSURE"),
        ({"background": ({}, {"DETCHANS": 1024})}, r"source_bg\.pha: 1024 detector channels"),
    ],
)
def test_unusable_observations_are_refused(observe, change, words):
    with pytest.raises(InputError, match=words):
        observe(**change)


def test_what_poses_as_a_spectrum_is_refused(shared):
    folder = shared / "ogip/not_spectra"
    with pytest.raises(InputError, match=r"power_0_249\.pha: no TELESCOP"):
        read_observation(folder / "power_0_249.pha")


def test_other_missions_are_refused(shared):
    for name in ("3c273.pi", "swift/interval0pc.pi", "hxmt/P011160506306_HE_TOTAL.fits", "xrbg_xspec.pi"):
        with pytest.raises(InputError, match="not a NICER spectrum"):
            read_observation(shared / "ogip" / name)


def test_another_mission_s_response_is_refused(shared, example):
    with pytest.raises(InputError, match=r"3c273\.rmf: has 1024 channels"):
        read_observation(example, rmf=shared / "ogip/3c273.rmf")
    with pytest.raises(InputError, match=r"power_0_249\.rmf: has 251 channels"):
        read_observation(example, rmf=shared / "ogip/not_spectra/power_0_249.rmf")
    with pytest.raises(InputError, match=r"3c273\.arf: 1090 energies.*do not match"):
        read_observation(example, arf=shared / "ogip/3c273.arf")


@pytest.mark.parametrize(
    "change",
    [{"counts": np.ones(3)}, {"counts": -np.ones(240)}, {"background": np.full(240, np.nan)}, {"exposure": 0.0}],
)
def test_an_impossible_observation_is_refused(example, change):
    with pytest.raises(InputError, match="1200120106"):
        replace(read_observation(example), **change)


# Real NICER files


def test_the_examples_read_as_they_lie(example):
    first, second = read_observation(example), read_observation(example.with_name("ni1200120194.pha"))
    assert (first.counts.sum(), first.exposure) == (47363691, 4401)
    assert (second.counts.sum(), second.exposure) == (96234684, pytest.approx(5961.963))
    assert (np.sum(~first.good), np.sum(~second.good)) == (1, 0)
    assert (first.systematic.max() < 0.03, second.systematic.max()) == (True, 0)


def test_the_examples_are_the_originals(shared, example):
    originals = {
        "1200120106.pha": "maxi_j1820/1200120106_rebin.pha",
        "1200120106.arf": "maxi_j1820/1200120106.arf",
        "1200120106.rmf.gz": "response/nicer.rmf.gz",
        "ni1200120194.pha": "maxi_j1820/ni1200120194.pha",
        "ni1200120194.arf": "response/nicer.arf",
        "ni1200120194.rmf.gz": "response/nicer.rmf.gz",
    }
    for copy, original in originals.items():
        assert example.with_name(copy).read_bytes() == (shared / "nicer" / original).read_bytes()


def j1535_arf(shared: Path, path: Path) -> Path:
    """The ARF that a spectrum's header names by a path of another machine."""
    return shared / "nicer/arf" / Path(read_spectrum(path).ancrfile).name


def test_all_spectra_of_maxi_j1535_read_with_their_backgrounds(shared):
    paths = sorted((shared / "nicer/maxi_j1535").glob("*/*.jsgrp"))
    assert len(paths) == 439
    for path in paths:
        obs = read_observation(path, rmf=shared / "nicer/response/nicer.rmf.gz", arf=j1535_arf(shared, path))
        assert obs.has_background
        assert obs.good.all()
        assert obs.notes == ()
        assert obs.counts.sum() > 0


def test_counts_and_bins_are_those_of_xspec(shared):
    """XSPEC's own log of 179 fits: exposure, number of noticed bins and the raw counts in them.

    Its noticed ranges number the groups of the GROUPING column so that the first is 2.
    """
    folder = shared / "nicer"
    files = {f"{p.parent.name}_{p.stem.split('GTI')[1]}": p for p in (folder / "maxi_j1535").glob("*/*.jsgrp")}
    with open(folder / "xspec_fits_maxi_j1535.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 179
    for row in rows:
        spectrum = read_spectrum(files[row["id"]])
        number = np.cumsum(spectrum.grouping != -1) + 1
        noticed = np.zeros(len(number), dtype=bool)
        for low, high in (part.split("-") for part in row["noticed"].split(",")):
            noticed |= (number >= int(low)) & (number <= int(high))
        counts = float(row["counts"])
        last_digit = 10.0 ** max(0, len(str(int(counts))) - 6)  # the log keeps six digits
        assert len(np.unique(number[noticed])) == int(row["bins"])
        assert abs(spectrum.counts[noticed].sum() - counts) <= 0.5 * last_digit
        assert spectrum.exposure == pytest.approx(float(row["exposure"]), rel=1e-3)


def test_numbers_are_those_of_the_gold_posteriors(shared):
    paths = sorted((shared / "gold").glob("*.npz"))
    assert len(paths) == 20
    for path in paths:
        with np.load(path) as gold:
            source = str(gold["source"])
            real = source.startswith("real")
            spectrum = Path(source.split("shared/data/")[1].split(";")[0]) if real else path.with_suffix(".pha")
            obs = read_observation(
                shared / spectrum,
                rmf=shared / "nicer/response/nicer.rmf.gz",
                arf=shared / "nicer/arf" / str(gold["arf"]),
                systematic=float(gold["e_sys"]) if real else None,
            )
            ratio = gold["exposure"] / gold["background_exposure"]
            assert obs.exposure == pytest.approx(float(gold["exposure"]))
            assert np.array_equal(obs.counts, gold["counts"])
            assert np.allclose(obs.background, ratio * gold["background"], rtol=1e-12)
            assert np.allclose(obs.background_error, ratio * gold["background_error"], rtol=1e-12)
            assert np.allclose(obs.systematic, gold["e_sys"], rtol=1e-6)


def test_threads_may_read_at_once(example):
    paths = [example, example.with_name("ni1200120194.pha")] * 8
    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        counts = [obs.counts.sum() for obs in pool.map(read_observation, paths)]
    assert counts == [47363691, 96234684] * 8
    assert warnings.filters == filters
