"""Which files of a folder are spectra of sources: by their names, their headers and what those name."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xspecnf.headers import spectrum_header
from xspecnf.sources import is_background, spectra_in, without_backgrounds


def write(path: Path, **keywords: str) -> Path:
    """A spectrum of four channels with these keywords."""
    path.parent.mkdir(exist_ok=True)
    columns = [fits.Column("CHANNEL", "J", array=np.arange(4)), fits.Column("COUNTS", "J", array=np.ones(4))]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    table.header.update(keywords)
    table.writeto(path)
    return path


def left_out(folder: Path) -> list[str]:
    """The names of the backgrounds that a folder's spectra leave out."""
    return [path.name for path in spectra_in(folder)[1]]


@pytest.mark.parametrize(
    ("spectrum", "named", "background"),
    [
        ("a.pha", "model.pha", "model.pha"),
        ("a.pha", "model.pha{2}", "model.pha"),
        ("a.pha", "model.pha[SPECTRUM]", "model.pha"),
        ("a.pha", "model.pha", "model.pha.gz"),
        ("a.pha", "/another/machine/model.pha", "model.pha"),
        ("a.pha", "D:\\nicer\\night 1\\model.pha", "model.pha"),
        ("a.pha", "deep/model.pha", "deep/model.pha"),
        ("a.pha", "a_long_name" * 8 + ".pha", "a_long_name" * 8 + ".pha"),  # goes on in a CONTINUE
        ("ni1mpu7_sr3c50.pha", "", "ni1mpu7_bg3c50.pha"),
        ("ni1_tot.pi", "", "ni1_bkg.pi"),
        ("ni1_tot.pha", "none", "ni1_bkg.pha"),
    ],
)
def test_the_background_of_another_is_no_source(tmp_path: Path, spectrum: str, named: str, background: str) -> None:
    write(tmp_path / spectrum, BACKFILE=named)
    write(tmp_path / background)
    other = write(tmp_path / "other.pha", BACKFILE="none")
    assert spectra_in(tmp_path) == ([tmp_path / spectrum, other], [tmp_path / background])


def test_a_correction_and_the_backgrounds_of_rows_are_no_sources(tmp_path: Path) -> None:
    write(tmp_path / "a.pha", CORRFILE="correction.pha")
    for name in ("correction.pha", "first.pha", "second.pha"):
        write(tmp_path / name)
    columns = [
        fits.Column("COUNTS", "4J", array=np.ones((2, 4))),
        fits.Column("BACKFILE", "20A", array=["first.pha", "second.pha{1}"]),
    ]
    fits.BinTableHDU.from_columns(columns, name="SPECTRUM").writeto(tmp_path / "series.pha")
    assert left_out(tmp_path) == ["correction.pha", "first.pha", "second.pha"]


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path / "a.pha", BACKFILE="model.pha")
    write(tmp_path / "model.pha")
    os.symlink(tmp_path / "model.pha", tmp_path / "again.pha")
    assert spectra_in(tmp_path)[0] == [tmp_path / "a.pha"]


def test_two_that_name_each_other_or_themselves(tmp_path: Path) -> None:
    write(tmp_path / "a.pha", BACKFILE="b.pha")
    write(tmp_path / "b.pha", BACKFILE="a.pha")
    write(tmp_path / "c.pha", BACKFILE="c.pha")
    assert left_out(tmp_path) == ["b.pha"]


def test_what_a_background_names_is_a_source_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a.pha")
    write(tmp_path / "z.pha", HDUCLAS2="BKG", BACKFILE="a.pha")
    assert left_out(tmp_path) == ["z.pha"]


def test_a_header_behind_others_and_packed(tmp_path: Path, example: Path) -> None:
    image, gti = fits.ImageHDU(np.zeros((5, 700))), fits.BinTableHDU(name="GTI")
    with fits.open(write(tmp_path / "a.pha", HDUCLAS2="BKG")) as hdus:
        fits.HDUList([fits.PrimaryHDU(np.zeros(9)), image, gti, hdus["SPECTRUM"]]).writeto(tmp_path / "b.pha")
    packed = tmp_path / "c.pha"
    packed.write_bytes(gzip.compress((tmp_path / "b.pha").read_bytes()))
    for path in (tmp_path / "a.pha", tmp_path / "b.pha", packed):
        assert is_background(spectrum_header(path))
    assert spectrum_header(example)["TELESCOP"] == "NICER"


def cards(*lines: str) -> bytes:
    """A header of these cards and END, and its blocks filled."""
    text = "".join(line.ljust(80) for line in ("SIMPLE  =                    T", *lines, "END"))
    return text.ljust(-(-len(text) // 2880) * 2880).encode("ascii")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SIMPLE  =",
        b"\x1f\x8b damaged",
        bytes(5000),
        cards("NAXIS   =           2000000000"),
        cards("NAXIS   =                    1", "NAXIS1  = 99999999999999999999999999"),
        cards("NAXIS   =                    1", "NAXIS1  =                 2880", "GCOUNT  =                   -1"),
        cards("NAXIS   =                    x"),
        cards("BACKFILE= 'x&'")[:-2880],
    ],
)
def test_what_cannot_be_read_is_left_to_the_reading(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pha"
    path.write_bytes(content)
    assert spectrum_header(path) == {}
    assert without_backgrounds([path, tmp_path, tmp_path / "absent.pha"])[1] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pha")
    assert without_backgrounds([tmp_path / "a.pha"]) == ([tmp_path / "a.pha"], [])
