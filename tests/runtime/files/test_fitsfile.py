"""Reading bytes: bounds, what is no FITS file, and the sums that FITS files carry."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xspecnf import fitsfile, read_observation
from xspecnf.errors import InputError
from xspecnf.fitsfile import changed, content


def with_sums(path: Path) -> Path:
    table = fits.BinTableHDU.from_columns([fits.Column("A", "I", array=np.arange(7))], name="TABLE")
    table.header["EXPOSURE"] = 100.0
    table.writeto(path, checksum=True)
    return path


def what_changed(path: Path) -> str:
    with fits.open(path) as hdus:
        return changed(path.read_bytes(), hdus[1])


def test_sums_are_those_of_astropy(tmp_path):
    assert what_changed(with_sums(tmp_path / "a.fits")) == ""


def test_every_bit_of_the_table_is_covered_by_its_sums(tmp_path):
    """One bit at a time: of the data by DATASUM, of the values and comments of the header by CHECKSUM."""
    path = with_sums(tmp_path / "a.fits")
    pristine = path.read_bytes()
    with fits.open(path) as hdus:
        place = hdus[1].fileinfo()
    for bit in range(0, 8 * 14, 3):  # the 14 bytes of the column
        at = place["datLoc"] + bit // 8
        path.write_bytes(pristine[:at] + bytes([pristine[at] ^ (1 << bit % 8)]) + pristine[at + 1 :])
        assert what_changed(path) == "data"
    path.write_bytes(pristine.replace(b"100.0", b"900.0"))
    assert what_changed(path) == "header"


@pytest.mark.parametrize("card", [("DATE", "{}"), ("HISTORY", "START PARAMETER list for niphasyserr_1.1 at {}")])
@pytest.mark.parametrize(("time", "found"), [("1999-01-01T00:00:00", "data"), ("9999-01-01T00:00:00", "")])
def test_sums_older_than_the_file_tell_nothing(tmp_path, card, time, found):
    table = fits.BinTableHDU.from_columns([fits.Column("A", "I", array=np.arange(7))], name="TABLE")
    table.header[card[0]] = card[1].format(time)
    table.writeto(tmp_path / "a.fits", checksum=True)
    pristine = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(pristine.replace(np.arange(7, dtype=">i2").tobytes(), bytes(14)))
    assert what_changed(tmp_path / "a.fits") == found


def test_the_examples_sums_are_older_than_their_tools(example):
    """nicerarf and niphasyserr left them behind; nothing of ours changed these files."""
    assert read_observation(example).notes == ("no background file; the background is taken as zero",)


def test_a_file_without_sums_is_unchanged(tmp_path):
    fits.BinTableHDU.from_columns([fits.Column("A", "I", array=np.arange(7))]).writeto(tmp_path / "a.fits")
    assert what_changed(tmp_path / "a.fits") == ""


def test_zip_bombs_are_refused_at_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(fitsfile, "LARGEST", 2**20)
    bomb = tmp_path / "bomb.pha.gz"
    bomb.write_bytes(gzip.compress(b"SIMPLE  =".ljust(2**22)))
    with pytest.raises(InputError, match=r"bomb\.pha\.gz: more than 1 MiB unpacked"):
        content(bomb)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        content(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("first", "named"),
    [
        (b"PK\x03\x04abc", "a zip archive"),
        (b"hello, world\n", "a text"),
        (b"%PDF-1.4", "a PDF"),
        (b"\0\1\2", "unknown"),
    ],
)
def test_what_is_no_fits_file_is_named(tmp_path, first, named):
    path = tmp_path / "file"
    path.write_bytes(first)
    with pytest.raises(InputError, match=f"not a FITS file \\({named}: it begins with"):
        content(path)


def test_an_impossible_path_is_refused():
    with pytest.raises(InputError, match="cannot be read"):
        content(Path("a\0b"))


@pytest.mark.parametrize("keyword", ["NAXIS   =", "TFIELDS ="])
def test_headers_of_a_billion_keywords_are_refused(tmp_path, keyword):
    """Found by benchmarks/mutants.py, number 1044: astropy looks for each of them."""
    path = with_sums(tmp_path / "a.fits")
    sound = path.read_bytes()
    at = sound.rindex(keyword.encode())
    path.write_bytes(sound[:at] + f"{keyword} {2**31:20}".encode() + sound[at + 30 :])
    with pytest.raises(InputError, match=r"a\.fits: a header has (NAXIS|TFIELDS)=2147483648, 999 at most"):
        content(path)
