"""Type II files: many spectra, one a row."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xspecnf import read_observation
from xspecnf.errors import InputError
from xspecnf.grid import NICER
from xspecnf.ogip import read_spectrum
from xspecnf.rows import Extension, parse_rows, split_extension, split_row, split_rows, with_row

CHANNELS = 1501


def write_type_2(path: Path, rows: int = 3, numbers: list[int] | None = None) -> Path:
    """Spectra of 1, 2, ... counts a channel, exposures of 10, 20, ... s and a background file of their own."""
    order = np.arange(1, rows + 1)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("SPEC_NUM", "I", array=order if numbers is None else numbers),
            fits.Column("CHANNEL", f"{CHANNELS}J", array=np.tile(np.arange(CHANNELS), (rows, 1))),
            fits.Column("COUNTS", f"{CHANNELS}J", array=np.repeat(order, CHANNELS).reshape(rows, -1)),
            fits.Column("QUALITY", f"{CHANNELS}I", array=np.zeros((rows, CHANNELS))),
            fits.Column("EXPOSURE", "D", array=10.0 * order),
            fits.Column("BACKSCAL", "D", array=0.5 * order),
            fits.Column("BACKFILE", "20A", array=[f"back.pha{{{n}}}" for n in order]),
        ],
        name="SPECTRUM",
    )
    keywords = {"TELESCOP": "NICER", "INSTRUME": "XTI", "DETCHANS": CHANNELS, "POISSERR": True, "HDUCLAS4": "TYPE:II"}
    table.header.update(keywords | {"AREASCAL": 1.0, "SYS_ERR": 0.0, "EXPOSURE": 77.0})
    table.writeto(path)
    return path


def test_a_row_s_own_values_go_before_the_header_s(tmp_path):
    spectrum = read_spectrum(f"{write_type_2(tmp_path / 'many.pha')}{{2}}")
    assert (spectrum.name, spectrum.exposure) == ("many.pha{2}", 20.0)
    assert np.array_equal(spectrum.counts, np.full(CHANNELS, 2))
    assert np.all(spectrum.backscal == 1.0)
    assert not spectrum.quality.any()
    assert spectrum.notes == ()


def test_rows_are_found_by_their_numbers(tmp_path):
    path = write_type_2(tmp_path / "many.pha", numbers=[7, 5, 9])
    assert read_spectrum(f"{path}{{5}}").counts[0] == 2
    for asked, found in (
        ("", r"rows 7, 5, 9\); choose one, such as many\.pha\{7\} or --row 7"),
        ("{1}", r"rows 7, 5, 9\), none of them row 1; choose one"),
    ):
        with pytest.raises(InputError, match=found):
            read_spectrum(f"{path}{asked}")


def test_one_row_needs_no_choice(tmp_path):
    spectrum = read_spectrum(write_type_2(tmp_path / "one.pha", rows=1))
    assert (spectrum.name, spectrum.counts[0]) == ("one.pha{1}", 1)


def test_a_row_of_a_type_1_file_is_refused(example):
    with pytest.raises(InputError, match=r"a type I file.*leave the row 2 out"):
        read_spectrum(f"{example}{{2}}")


def test_an_observation_takes_the_row_and_the_row_of_its_background(tmp_path, example):
    source, _ = write_type_2(tmp_path / "many.pha"), write_type_2(tmp_path / "back.pha")
    obs = read_observation(
        f"{source}{{3}}", rmf=example.with_suffix(".rmf.gz"), arf=example.with_suffix(".arf"), background=None
    )
    assert obs.name == "many.pha{3}"
    assert np.array_equal(obs.counts, 3 * NICER.channels_per_bin)
    assert np.allclose(obs.background, obs.counts)  # the same exposure and BACKSCAL
    assert obs.files is not None
    assert obs.files.background == tmp_path / "back.pha{3}"


def test_paths_with_rows(tmp_path):
    assert split_row("a/b.pha{12}") == (Path("a/b.pha"), 12)
    assert split_row("a/b.pha") == (Path("a/b.pha"), None)
    assert with_row(Path("a/b.pha"), 12) == Path("a/b.pha{12}")
    literal = tmp_path / "odd{3}"
    literal.touch()
    assert split_row(literal) == (literal, None)


def test_rows_by_ranges():
    assert split_rows("b.pha{1-3, 5,2}") == (Path("b.pha"), (1, 2, 3, 5))
    for wrong in ("²", "9" * 5000, "3-1", "1-999999999", "", "1-", "*"):
        with pytest.raises(InputError, match="names no rows"):
            parse_rows(wrong)
    with pytest.raises(InputError, match=r"b\.pha: 2 rows were named, one is expected"):
        split_row("b.pha{1-2}")


def test_a_name_longer_than_any_file_s():
    long = "b" * 5000
    assert split_row(f"{long}{{3}}") == (Path(long), 3)
    assert split_extension(f"{long}[1]") == (Path(long), Extension(number=1))


@pytest.mark.parametrize(
    ("name", "path", "extension"),
    [
        ("a/b.pha[SPECTRUM]", "a/b.pha", Extension("SPECTRUM")),
        ("a/b.pha[spectrum, 2]", "a/b.pha", Extension("spectrum", 2)),
        ("b.rmf[SPECRESP MATRIX,2]", "b.rmf", Extension("SPECRESP MATRIX", 2)),
        ("b.pha[HEG_-1]", "b.pha", Extension("HEG_-1")),
        ("b.pha[3C273]", "b.pha", Extension("3C273")),
        ("b.pha[1]", "b.pha", Extension(number=1)),
        ("b.pha.gz[0]", "b.pha.gz", Extension(number=0)),
        ("GX_339+4/b.pha+1", "GX_339+4/b.pha", Extension(number=1)),
        ("GX_339+4", "GX_339+4", None),
        ("a.d/GX_339+4", "a.d/GX_339+4", None),
        ("obs_[12].pha", "obs_[12].pha", None),
        ("b.pha[SPECTRUM][CHANNEL > 3]", "b.pha[SPECTRUM][CHANNEL > 3]", None),  # CFITSIO's filters are not ours
        ("b.pha[2,3]", "b.pha[2,3]", None),
        ("b.pha[]", "b.pha[]", None),
        ("b.pha", "b.pha", None),
    ],
)
def test_paths_with_extensions(name: str, path: str, extension: Extension | None) -> None:
    assert split_extension(name) == (Path(path), extension)


def test_an_extension_as_text():
    for text in ("[SPECTRUM]", "[SPECTRUM,2]", "[0]"):
        assert str(split_extension(f"b.pha{text}")[1]) == text
    assert str(split_extension("b.pha+1")[1]) == "[1]"


def test_a_row_stands_behind_the_extension():
    assert split_row("b.pha[SPECTRUM,2]{3}") == (Path("b.pha[SPECTRUM,2]"), 3)


@pytest.mark.parametrize("name", ["odd[1]", "odd.pha[SPECTRUM]", "odd.pha+1"])
def test_a_file_that_is_really_called_so_wins(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert split_extension(tmp_path / name) == (tmp_path / name, None)


def test_a_grating_s_orders(shared):
    path = shared / "ogip" / "3c120_pha2.gz"
    with fits.open(path) as hdus:
        counts = hdus["SPECTRUM"].data["COUNTS"]
    for row in (1, 3, 12):
        assert np.array_equal(read_spectrum(f"{path}{{{row}}}").counts, counts[row - 1])
