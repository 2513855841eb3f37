import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xspecnf import extensions
from xspecnf.errors import InputError
from xspecnf.ogip import read_arf, read_rmf, read_spectrum

CHANNELS = 1501


def dense(rmf) -> np.ndarray:
    """(n, channels) matrix of an Rmf."""
    matrix = np.zeros((len(rmf.energy_edges) - 1, rmf.channels))
    np.add.at(matrix, (rmf.energy, rmf.channel), rmf.value)
    return matrix


# Spectra


def test_columns_and_keywords_say_the_same(write_pha):
    as_columns = {
        "QUALITY": np.full(CHANNELS, 2),
        "GROUPING": np.full(CHANNELS, 1),
        "SYS_ERR": np.full(CHANNELS, 0.02),
        "BACKSCAL": np.full(CHANNELS, 0.5),
        "AREASCAL": np.full(CHANNELS, 0.9),
    }
    one = read_spectrum(write_pha("columns.pha", as_columns))
    two = read_spectrum(write_pha("keywords.pha", **{name: values[0].item() for name, values in as_columns.items()}))
    for name in ("quality", "grouping", "systematic", "backscal", "areascal"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert getattr(one, name).shape == (CHANNELS,)


def test_what_a_file_leaves_out_takes_the_default(write_pha):
    spectrum = read_spectrum(write_pha(POISSERR=None))
    assert spectrum.error is None
    assert not spectrum.quality.any()
    assert not spectrum.systematic.any()
    assert np.all(spectrum.backscal == 1)
    assert (spectrum.respfile, spectrum.ancrfile, spectrum.backfile) == ("", "", "")


def test_rate_becomes_counts(write_pha):
    rate = np.linspace(0, 3, CHANNELS)
    columns = {"COUNTS": None, "RATE": rate, "STAT_ERR": 0.1 * rate}
    spectrum = read_spectrum(write_pha("rate.pha", columns, EXPOSURE=50.0, POISSERR=False))
    assert np.allclose(spectrum.counts, 50 * rate)
    assert np.allclose(spectrum.error, 5 * rate)


@pytest.mark.parametrize(
    ("poisserr", "stat_err", "stated"),
    [
        (False, 2.0, True),
        (True, 2.0, False),
        (False, 0.0, False),
        (None, 2.0, True),
        ("F", 2.0, True),
        ("T", 2.0, False),
    ],
)
def test_stated_errors_count_unless_poisson_is_asked_for(write_pha, poisserr, stat_err, stated):
    path = write_pha("e.pha", {"STAT_ERR": np.full(CHANNELS, stat_err)}, POISSERR=poisserr)
    assert (read_spectrum(path).error is not None) is stated


def test_gzip_is_transparent(write_pha, tmp_path):
    plain = write_pha(columns={"COUNTS": np.arange(CHANNELS)})
    packed = tmp_path / "packed.pha.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_spectrum(packed).counts, read_spectrum(plain).counts)


def test_the_first_of_two_spectra_is_read_and_said(write_pha, tmp_path):
    first, second = write_pha("first.pha"), write_pha("second.pha", {"COUNTS": np.full(CHANNELS, 7)})
    both = tmp_path / "both.pha"
    with fits.open(first) as one, fits.open(second) as two:
        fits.HDUList([*one, two[1].copy()]).writeto(both)
    spectrum = read_spectrum(both)
    assert spectrum.counts.max() == 1
    assert "2 SPECTRUM" in spectrum.notes[0]


def test_every_other_mission_s_spectrum_reads(shared):
    paths = [p for p in (shared / "ogip").rglob("*") if re.search(r"\.(pi|pha|pha\.gz|fak)$|TOTAL|BKG", p.name)]
    assert len(paths) > 30
    for path in paths:
        with fits.open(path) as hdus:
            table = hdus["SPECTRUM"].data
            column = "COUNTS" if "COUNTS" in table.names else "RATE"
            expected = table[column].astype(float)
        spectrum = read_spectrum(path)
        assert np.allclose(spectrum.counts, expected * (spectrum.exposure if column == "RATE" else 1))
        assert len(spectrum.channel) == len(expected)


def test_rate_file_agrees_with_the_counts_it_was_made_from(shared):
    rate, counts = read_spectrum(shared / "ogip/source_rate.pi"), read_spectrum(shared / "ogip/source.pi")
    assert np.allclose(rate.counts, counts.counts)
    assert np.allclose(rate.error, counts.error, rtol=1e-3)


# Responses


@pytest.mark.parametrize("layout", ["scalar", "vector", "variable"])
@pytest.mark.parametrize(("tlmin", "first"), [(0, 0), (1, 1), (None, 0), (None, 1)])
@pytest.mark.parametrize("extname", ["MATRIX", "SPECRESP MATRIX"])
def test_every_layout_holds_the_same_matrix(write_rmf, layout, tlmin, first, extname):
    random = np.random.default_rng(0)
    matrix = random.random((12, 40))
    if layout != "scalar":  # several groups a row
        matrix[random.random(matrix.shape) < 0.4] = 0
        matrix[3] = 0  # and a row with none
    edges = np.linspace(0.3, 2.0, 13)
    rmf = read_rmf(write_rmf("a.rmf", edges, matrix, layout, tlmin, first, extname))
    assert np.allclose(dense(rmf), matrix)
    assert np.allclose(rmf.energy_edges, edges)
    assert (rmf.channels, rmf.first_channel) == (40, first)


def test_every_other_mission_s_response_reads(shared):
    folder = shared / "ogip"
    paths = [p for p in folder.rglob("*") if re.search(r"\.(rmf|rsp)$|RSP", p.name) and "not_" not in str(p)]
    assert len(paths) >= 10
    for path in paths:
        rmf = read_rmf(path)
        largest = dense(rmf).sum(axis=1).max()
        assert (largest > 50) if re.search(r"rsp|RSP", path.name) else (0.8 < largest < 1.001), path


def test_matrix_agrees_with_a_plain_loop(shared):
    """Several groups a row, F_CHAN from 1: against the reading of one row after another, as the standard tells it."""
    path = shared / "ogip/3c273.rmf"
    with fits.open(path) as hdus:
        table = hdus["MATRIX"].data
        expected = np.zeros((len(table), 1024))
        for row, (groups, starts, lengths, values) in enumerate(
            zip(table["N_GRP"], table["F_CHAN"], table["N_CHAN"], table["MATRIX"], strict=True)
        ):
            used = 0
            for start, length in zip(starts[:groups], lengths[:groups], strict=True):
                expected[row, start - 1 : start - 1 + length] = values[used : used + length]
                used += length
        assert table["N_GRP"].max() > 1
    assert np.array_equal(dense(read_rmf(path)), expected)


def test_arf(write_arf):
    edges, area = np.array([0.1, 0.5, 2.0]), np.array([3.0, 4.0])
    arf = read_arf(write_arf("a.arf", edges, area))
    assert np.array_equal(arf.energy_edges, edges)
    assert np.array_equal(arf.area, area)


def test_energies_that_decrease_are_turned_round(write_arf, write_rmf):
    edges, area = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0])
    path = write_arf("down.arf", edges, area)
    with fits.open(path, mode="update") as hdus:
        hdus[1].data[:] = hdus[1].data[::-1].copy()
    arf = read_arf(path)
    assert np.array_equal(arf.energy_edges, edges)
    assert np.array_equal(arf.area, area)
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    path = write_rmf("down.rmf", edges, matrix, layout="vector")
    with fits.open(path, mode="update") as hdus:
        hdus[1].data[:] = hdus[1].data[::-1].copy()
    rmf = read_rmf(path)
    assert np.array_equal(rmf.energy_edges, edges)
    assert np.array_equal(dense(rmf), matrix)


# What cannot be read


def refused(read, path: Path, *words: str) -> None:
    """`read(path)` raises one InputError, of one line, that names the file and says each of the words."""
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


@pytest.mark.parametrize("read", [read_spectrum, read_arf, read_rmf])
def test_what_is_no_fits_file_is_refused(read, tmp_path):
    path = tmp_path / "file"
    refused(read, path, "no such file")
    for content, word in (
        (b"", "empty"),
        (b"hello, world", "not a FITS file"),
        (b"\x1f\x8bnonsense", "cannot be read"),
    ):
        path.write_bytes(content)
        refused(read, path, word)
    refused(read, tmp_path, "cannot be read")


@pytest.mark.parametrize("part", [0.05, 0.12, 0.25, 0.4, 0.7, 0.85])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_files_are_refused(write_pha, write_rmf, tmp_path, part, packed):
    edges = np.linspace(0.3, 2.0, 201)
    for read, path in ((read_spectrum, write_pha()), (read_rmf, write_rmf("a.rmf", edges, np.ones((200, 50))))):
        content = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
        cut = tmp_path / f"cut-{path.name}"
        cut.write_bytes(content[: int(part * len(content))])
        refused(read, cut)


def test_missing_padding_loses_nothing(write_pha, tmp_path):
    cut = tmp_path / "cut.pha"
    cut.write_bytes(write_pha(columns={"COUNTS": np.arange(CHANNELS)}).read_bytes()[:-1000])
    assert np.array_equal(read_spectrum(cut).counts, np.arange(CHANNELS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"EXPOSURE": 0.0}, ["EXPOSURE = 0", "positive"]),
        ({"EXPOSURE": -5.0}, ["EXPOSURE = -5", "positive"]),
        ({"EXPOSURE": "NaN"}, ["EXPOSURE = nan", "positive"]),
        ({"EXPOSURE": "long"}, ["EXPOSURE = 'long'", "not a number"]),
        ({"EXPOSURE": None}, ["no EXPOSURE"]),
        ({"BACKSCAL": 0.0}, ["BACKSCAL = 0", "not positive"]),
        ({"AREASCAL": -1.0}, ["AREASCAL = -1", "not positive"]),
        ({"columns": {"COUNTS": np.full(CHANNELS, np.nan)}}, ["COUNTS", "not finite"]),
        ({"columns": {"SYS_ERR": np.full(CHANNELS, np.inf)}}, ["SYS_ERR", "not finite"]),
        ({"columns": {"COUNTS": None}}, ["neither a COUNTS nor a RATE"]),
        ({"columns": {"CHANNEL": None}}, ["no CHANNEL column", "COUNTS"]),
        ({"HDUCLAS4": "TYPE:II"}, ["type II", "choose one"]),
        ({"EXTNAME": "EVENTS"}, ["no SPECTRUM table", "EVENTS"]),
    ],
)
def test_unusable_spectra_are_refused(write_pha, change, words):
    refused(read_spectrum, write_pha(**change), *words)


def test_a_response_is_no_spectrum_and_the_other_way_round(write_pha, write_arf):
    refused(read_spectrum, write_arf("a.arf", np.array([1.0, 2.0]), np.ones(1)), "no SPECTRUM", "SPECRESP")
    refused(read_arf, write_pha(), "no SPECRESP", "SPECTRUM")
    refused(read_rmf, write_pha("b.pha"), "MATRIX", "SPECTRUM")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"XFLT0001": "Stokes:1"}, ["Stokes:1", "polarisation", "give Stokes I"]),
        ({"EXPOSURE": True}, ["EXPOSURE = True", "not a number"]),
        ({"columns": {"CHANNEL": np.arange(CHANNELS) + 0.5}}, ["CHANNEL", "not whole"]),
        ({"columns": {"QUALITY": np.full(CHANNELS, 1e17)}}, ["QUALITY", "not whole"]),
    ],
)
def test_other_things_in_the_clothes_of_a_spectrum_are_refused(write_pha, change, words):
    refused(read_spectrum, write_pha(**change), *words)


def test_stokes_i_is_a_spectrum(write_pha):
    assert read_spectrum(write_pha(XFLT0001="Stokes:0")).counts.sum() == CHANNELS


def test_images_and_events_are_refused_by_name(write_pha, tmp_path):
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.ones((5, 5))).writeto(image)
    refused(read_spectrum, image, "no table", "image")
    refused(read_spectrum, write_pha("events.evt", EXTNAME="EVENTS"), "EVENTS", "extracted from these events")


def test_columns_of_one_name_or_without_numbers_are_refused(tmp_path):
    channel = fits.Column("CHANNEL", "J", array=np.arange(3))
    for wrong, word in (
        (fits.Column("channel", "J", array=np.arange(3)), "two columns are called CHANNEL"),
        (fits.Column("COUNTS", "3A", array=["a", "b", "c"]), "no real numbers"),
        (fits.Column("COUNTS", "C", array=np.ones(3, complex)), "no real numbers"),
    ):
        table = fits.BinTableHDU.from_columns([channel, wrong], name="SPECTRUM")
        table.header["EXPOSURE"] = 1.0
        table.writeto(tmp_path / "a.pha", overwrite=True)
        refused(read_spectrum, tmp_path / "a.pha", word)


def test_a_matrix_outside_its_channels_is_refused(write_rmf):
    edges = np.array([1.0, 2.0])
    path = write_rmf("a.rmf", edges, np.ones((1, 10)))
    with fits.open(path, mode="update") as hdus:
        hdus["EBOUNDS"].data = hdus["EBOUNDS"].data[:-1]
    refused(read_rmf, path, "0..9", "EBOUNDS has 9", "TLMIN")
    refused(read_rmf, write_rmf("none.rmf", edges, np.zeros((1, 10)), layout="vector"), "no channel")


def test_energies_that_do_not_follow_one_another_are_refused(write_arf):
    edges = np.array([1.0, 2.0, 3.0])
    path = write_arf("gap.arf", edges, np.ones(2))
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["ENERG_HI"][0] = 1.5
    refused(read_arf, path, "gaps")
    refused(read_arf, write_arf("negative.arf", edges, -np.ones(2)), "negative")


def test_units_of_responses(write_arf):
    """keV and cm**2 are read, also as cm2; another unit is refused, that none is stated is said."""
    path = write_arf("a.arf", np.array([0.5, 1.0, 2.0]), np.ones(2))
    assert read_arf(path).notes == ()
    state_unit(path, "TUNIT3", "cm2")
    assert read_arf(path).notes == ()
    state_unit(path, "TUNIT1", "")
    assert read_arf(path).notes == ("a.arf does not state the unit of ENERG_LO (keV assumed)",)
    state_unit(path, "TUNIT1", "eV")
    with pytest.raises(InputError, match=r"a\.arf: ENERG_LO is in 'eV', keV expected"):
        read_arf(path)


def state_unit(path: Path, keyword: str, unit: str) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["SPECRESP"].header[keyword] = unit


def test_a_table_of_too_many_rows_is_refused(write_pha, monkeypatch):
    monkeypatch.setattr(extensions, "LARGEST_TABLE", CHANNELS - 1)
    with pytest.raises(InputError, match=f"SPECTRUM table has {CHANNELS} rows"):
        read_spectrum(write_pha())


@pytest.mark.parametrize("behind", [bytes(2880 * 3), b"junk " * 999])
def test_what_lies_behind_the_last_table_does_not_matter(write_pha, behind):
    path = write_pha()
    path.write_bytes(path.read_bytes() + behind)
    assert read_spectrum(path).counts.sum() == CHANNELS
