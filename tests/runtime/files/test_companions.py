import gzip
from pathlib import Path

import pytest

from xspecnf.companions import missing, search
from xspecnf.ogip import read_spectrum


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spectrum's folder; the process works in another one."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def test_a_relative_name_means_beside_the_spectrum(write_pha, folder):
    """Wherever one stands. A file of that name in the current folder serves only where there is none, and is told."""
    spectrum = read_spectrum(write_pha(RESPFILE="my.rmf"))
    (folder / "source.rmf").touch()
    Path("my.rmf").write_text("of another night")
    result = search(spectrum, "rmf")
    assert (result.found, result.why) == (Path("my.rmf"), "header")
    assert result.notes == ("the header's RMF my.rmf is not beside the spectrum; my.rmf was used",)
    (folder / "my.rmf").write_text("of this one")
    result = search(spectrum, "rmf")
    assert result.found == folder / "my.rmf"
    other = "which is another"
    assert result.notes == (f"two files may be the RMF: {folder / 'my.rmf'} was used, not my.rmf, {other}",)
    Path("my.rmf").write_text("of this one")
    assert search(spectrum, "rmf").notes == ()


def test_a_link_s_companions_lie_beside_the_file_too(write_pha, folder):
    write_pha(BACKFILE="my.bg")
    (folder / "my.bg").touch()
    Path("link.pha").symlink_to(folder / "source.pha")
    result = search(read_spectrum(Path("link.pha").absolute()), "background")
    assert result.found == folder / "my.bg"
    assert len(result.notes) == 1


@pytest.mark.parametrize(
    "named", ["D:\\nicer\\night 1\\my.bg", "..\\bg\\my.bg", "bg\\my.bg", "\\\\server\\x\\my.bg", "bg/my.bg"]
)
def test_names_written_on_windows(write_pha, folder, named):
    spectrum = read_spectrum(write_pha(BACKFILE=named))
    (folder / "my.bg").touch()
    assert search(spectrum, "background").found == folder / "my.bg"
    (folder / "bg").mkdir()
    (folder / "bg/my.bg").touch()
    found = folder / ("bg/my.bg" if named.startswith("bg") else "my.bg")
    assert search(spectrum, "background").found == found


def test_brackets_are_part_of_a_name_that_is_there(write_pha, folder):
    spectrum = read_spectrum(write_pha(BACKFILE="run[1]/my.bg[SPECTRUM]{3}", ANCRFILE="my[2].arf"))
    (folder / "run[1]").mkdir()
    (folder / "run[1]/my.bg.gz").touch()
    assert search(spectrum, "background").found == folder / "run[1]/my.bg.gz[SPECTRUM]{3}"
    (folder / "my[2].arf").touch()
    assert search(spectrum, "arf").found == folder / "my[2].arf"


def test_two_guesses_that_differ_are_told(write_pha, folder):
    spectrum = read_spectrum(write_pha("X.pha"))
    (folder / "X.bg").write_text("one")
    (folder / "X.bg.gz").write_bytes(gzip.compress(b"one"))
    assert search(spectrum, "background").notes == ()
    (folder / "X_bkg.pha").write_text("two")
    result = search(spectrum, "background")
    assert (result.found, result.why) == (folder / "X.bg", "name")
    assert "X_bkg.pha, which is another" in result.notes[0]


def test_a_path_relative_to_the_spectrum(write_pha, folder):
    spectrum = read_spectrum(write_pha(ANCRFILE="caldb/my.arf{2}"))
    (folder / "caldb").mkdir()
    (folder / "caldb/my.arf").touch()
    assert search(spectrum, "arf").found == folder / "caldb/my.arf{2}"


def test_another_machine_s_path_is_found_by_base_name(write_pha, folder):
    spectrum = read_spectrum(write_pha(ANCRFILE="/mnt/c/of/another/machine/my.arf"))
    (folder / "my.arf").touch()
    result = search(spectrum, "arf")
    assert result.found == folder / "my.arf"
    assert result.notes == ()


@pytest.mark.parametrize(
    ("source", "kind", "sibling"),
    [
        ("ni1200120106mpu7_sr.pha", "rmf", "ni1200120106mpu7_sr.rmf"),
        ("ni1200120106mpu7_sr.pha", "rmf", "ni1200120106mpu7.rmf"),
        ("ni1200120106mpu7_sr.pha", "arf", "ni1200120106mpu7_sr.arf"),
        ("ni1200120106mpu7_sr.pha", "arf", "ni1200120106mpu7.arf.gz"),
        ("ni1200120106mpu7_sr.pha", "background", "ni1200120106mpu7_bg.pha"),
        ("js_ni1050360103_0mpu7_silver_GTI0.jsgrp", "background", "js_ni1050360103_0mpu7_silver_GTI0.bg"),
        ("X.pha", "rmf", "X.rmf.gz"),
        ("X.pha", "rmf", "X.rsp"),
        ("X.pha", "background", "X.bg"),
        ("X.pha", "background", "X_bg.pha"),
        ("X.pha.gz", "background", "X_bg.pha.gz"),
        ("X_rebin.pha", "arf", "X.arf"),
        ("X_tot.pi", "background", "X_bkg.pi"),
        ("X_tot.pha", "background", "X_bkg.pha"),
        ("X_tot.pi", "rmf", "X.rmf"),
        ("ni1000000011mpu7_sr3c50.pha", "background", "ni1000000011mpu7_bg3c50.pha"),
    ],
)
@pytest.mark.parametrize("named", ["none", "NONE", "", "   ", None])
def test_siblings_when_the_header_names_nothing(write_pha, folder, source, kind, sibling, named):
    spectrum = read_spectrum(write_pha(source, RESPFILE=named, ANCRFILE=named, BACKFILE=named))
    assert search(spectrum, kind).found is None
    (folder / sibling).touch()
    result = search(spectrum, kind)
    assert result.found == folder / sibling
    assert result.notes == ()


def test_a_sibling_in_the_place_of_a_named_file_is_said(write_pha, folder):
    spectrum = read_spectrum(write_pha("X.pha", BACKFILE="gone.bg"))
    (folder / "X_bg.pha").touch()
    assert search(spectrum, "background").notes == (
        "the header's background gone.bg was not found; X_bg.pha beside the spectrum was used",
    )


def test_a_spectrum_is_not_its_own_background(write_pha, folder):
    assert search(read_spectrum(write_pha("X_bg.pha", BACKFILE="X_bg.pha")), "background").found is None
    assert search(read_spectrum(write_pha("Y.bg")), "background").found is None


def test_an_option_is_taken_as_it_is(write_pha, folder):
    spectrum = read_spectrum(write_pha(RESPFILE="my.rmf"))
    assert search(spectrum, "rmf", "other.rmf").found == Path("other.rmf")


def test_what_is_missing_is_told_with_every_place_and_the_options(write_pha, folder):
    spectrum = read_spectrum(write_pha("niX_sr.pha", RESPFILE="/far/away/my.rmf"))
    result = search(spectrum, "rmf")
    message = str(missing(spectrum, result))
    assert result.found is None
    places = ["/far/away/my.rmf", folder / "my.rmf", folder / "my.rmf.gz", folder / "niX_sr.rmf", folder / "niX.rmf"]
    for part in (spectrum.path, *places, "--rmf", "--response bundle"):
        assert str(part) in message
    assert len(set(result.tried)) == len(result.tried)
