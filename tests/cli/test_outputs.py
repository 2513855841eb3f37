"""Files that `xspecnf infer` writes beside what it prints: chains, the batch's table, figures."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import Result

from xspecnf import Posterior

Run = Callable[..., Result]


@pytest.fixture
def three(example: Path, orphan: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """The example, a file without a response, and another copy of the example."""
    twin = tmp_path / "twin.pha"
    shutil.copy(example, twin)
    for suffix in (".rmf.gz", ".arf"):
        (tmp_path / f"twin{suffix}").symlink_to(example.with_suffix(suffix))
    return example, orphan, twin


def test_chains_of_a_batch(infer: Run, three: tuple[Path, ...], tmp_path: Path) -> None:
    """A batch does not keep its observations, but a chain's statistic needs them."""
    done = infer(three[0], three[2], "--samples", 10, "--output", tmp_path / "{stem}.fits")
    assert done.exit_code == 0
    chain = fits.getdata(tmp_path / "twin.fits", "CHAIN")
    assert len(chain) == 10
    assert np.all(chain["FIT_STATISTIC"] > 0)


def test_a_batch_table_has_a_row_for_every_file(infer: Run, three: tuple[Path, ...], tmp_path: Path) -> None:
    path = tmp_path / "table.ecsv"
    done = infer(*three, "--samples", 10, "--table", path, "--json")
    assert done.exit_code == 1
    records = [json.loads(line) for line in done.stdout.splitlines()]
    table = Table.read(path)
    assert [str(file) for file in table["file"]] == [str(file) for file in three]
    assert table["nH"][0] == records[0]["parameters"]["nH"]["median"]
    assert table["mjd"][0] == pytest.approx(58198.679, abs=1e-3)
    assert "no response" in table["error"][1] or "--rmf" in table["error"][1]
    assert not list(tmp_path.glob("*.journal"))


def test_a_rerun_does_what_is_left(infer: Run, three: tuple[Path, ...], tmp_path: Path) -> None:
    """The failed file and the new one; the finished row stays."""
    path = tmp_path / "table.fits"
    infer(*three[:2], "--samples", 10, "--table", path, "--no-refine")
    before = Table.read(path, hdu=1)
    done = infer(*three, "--samples", 10, "--table", path, "--no-refine", "--json")
    assert "1 of 3 files are in" in done.stderr
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(three[1]), str(three[2])]
    after = Table.read(path, hdu=1)
    assert len(after) == 3
    assert after["Gamma"][0] == before["Gamma"][0]


def test_rows_of_other_options_do_not_mix(infer: Run, example: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.ecsv"
    infer(example, "--samples", 10, "--table", path, "--no-refine")
    done = infer(example, "--samples", 20, "--table", path, "--no-refine")
    assert done.exit_code == 1
    assert "samples=10" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--table", "--output"])
def test_an_unknown_suffix_is_wrong_usage(infer: Run, example: Path, option: str) -> None:
    done = infer(example, option, "result.xls")
    assert done.exit_code == 2
    assert "xls" in done.stderr


def test_a_missing_package_is_said_before_the_work(
    infer: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    done = infer(example, "--output", tmp_path / "post.nc")
    assert done.exit_code == 1
    assert "pip install 'xspecnf[netcdf]'" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("as_what", ["itself", "link", "hard link", "spelling", "another's"])
def test_no_output_takes_the_place_of_a_spectrum(
    infer: Run, three: tuple[Path, ...], tmp_path: Path, as_what: str
) -> None:
    """Nor before any work: the spectrum stays as it is, and nothing is printed."""
    spectrum = tmp_path / "obs.fits"
    shutil.copy(three[0], spectrum)
    before = spectrum.read_bytes()
    link = tmp_path / "other.fits"
    if as_what == "link":
        link.symlink_to(spectrum)
    elif as_what == "hard link":
        link.hardlink_to(spectrum)
    named = {
        "itself": tmp_path / "{stem}.fits",
        "spelling": f"{tmp_path}/../{tmp_path.name}/obs.fits",
        "another's": tmp_path / "obs.fits",
    }
    spectra = [three[0]] if as_what == "another's" else [spectrum]
    done = infer(*spectra, "--response", "bundle", "--output", named.get(as_what, link))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is read" in done.stderr or "holds a spectrum" in done.stderr
    assert spectrum.read_bytes() == before


@pytest.mark.parametrize("option", ["--rmf", "--arf", "--background"])
def test_no_output_takes_the_place_of_an_option_s_file(infer: Run, example: Path, tmp_path: Path, option: str) -> None:
    given = tmp_path / "given.fits"
    source = {"--rmf": example.with_suffix(".rmf.gz"), "--arf": example.with_suffix(".arf"), "--background": example}
    shutil.copy(source[option], given)
    before = given.read_bytes()
    assert infer(example, option, given, "--output", given).exit_code == 2
    assert infer(example, option, given, "--table", given).exit_code == 2
    assert given.read_bytes() == before


def test_no_output_takes_the_place_of_a_list_a_bundle_or_another_output(
    infer: Run, example: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    lists = tmp_path / "list.json"
    lists.write_text(f"{example}\n")
    for output in (lists, tiny_bundle / "manifest.json"):
        done = infer(f"@{lists}", "--output", output)
        assert done.exit_code == 2
        assert "which is read" in done.stderr
    same = tmp_path / "out.fits"
    assert "is written too" in infer(example, "--output", same, "--table", same).stderr


def test_results_replace_results_and_nothing_else(run: Run, infer: Run, example: Path, tmp_path: Path) -> None:
    """The same rule for every verb; an empty file, as mktemp makes them, holds nothing to lose."""
    outputs = [tmp_path / f"out{suffix}" for suffix in (".npz", ".json", ".csv", ".fits", ".nc")]
    options = [word for path in outputs for word in ("--output", path)]
    outputs[0].touch()
    for _ in range(2):
        assert infer(example, "--samples", 10, "--no-refine", "--quiet", *options).exit_code == 0
    for path in outputs:
        path.write_text("precious")
        done = infer(example, "--output", path)
        assert (done.exit_code, path.read_text()) == (2, "precious")
    script = tmp_path / "fit.xcm"
    script.write_text("precious")
    assert run("fit", example, "--output", script).exit_code == 2
    assert run("report", example, "--output", script).exit_code == 2
    assert script.read_text() == "precious"


def test_folders_of_outputs_are_made(infer: Run, example: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    options = ("--output", folder / "{stem}" / "x.npz", "--table", folder / "t" / "t.ecsv")
    assert infer(example, "--samples", 10, "--no-refine", *options).exit_code == 0
    assert (folder / example.stem / "x.npz").exists()
    assert (folder / "t" / "t.ecsv").exists()
    in_the_way = infer(example, "--output", folder / "t" / "t.ecsv" / "x.npz")
    assert (in_the_way.exit_code, in_the_way.stdout) == (2, "")
    assert "its folder cannot be made" in in_the_way.stderr


def test_too_few_samples_for_a_figure_are_wrong_usage(run: Run, infer: Run, example: Path, tmp_path: Path) -> None:
    done = infer(example, "--samples", 4, "--plot", tmp_path / "p.png", "--table", tmp_path / "t.ecsv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "4 samples are too few for a corner plot" in done.stderr
    assert not (tmp_path / "t.ecsv").exists()
    assert run("report", example, "--samples", 4, "--output", tmp_path / "p.html").exit_code == 2


@pytest.mark.usefixtures("coarse")
def test_a_figure_that_cannot_be_drawn_costs_itself_alone(
    infer: Run, three: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xspecnf.plots.corner as module

    drawn = module.corner

    def corner(posterior: Posterior, raw: Posterior | None = None) -> object:
        if "twin" in posterior.file:
            raise ValueError("no spread in nH")
        return drawn(posterior, raw)

    monkeypatch.setattr(module, "corner", corner)
    table = tmp_path / "t.ecsv"
    options = ("--samples", 10, "--plot", tmp_path / "{stem}.png", "--table", table, "--json")
    done = infer(three[2], three[0], *options)
    assert done.exit_code == 1
    assert done.stderr == f"error: {three[2]}: {tmp_path}/twin-corner.png was not written: no spread in nH\n"
    written = [json.loads(line)["outputs"] for line in done.stdout.splitlines()]
    assert written[0] == [f"{tmp_path}/twin-spectrum.png"]
    assert len(written[1]) == 2
    assert [str(file) for file in Table.read(table)["file"]] == [str(three[2]), str(three[0])]


def test_an_output_that_cannot_be_written_costs_itself_alone(
    run: Run, infer: Run, three: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xspecnf.formats import npz

    def full(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(npz, "write_atomically", full)
    table = tmp_path / "t.ecsv"
    options = ("--output", tmp_path / "{stem}.npz", "--output", tmp_path / "{stem}.csv", "--table", table)
    done = infer(three[0], three[2], "--samples", 10, *options)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 2
    assert done.stdout.count("verdict: ") == 2
    assert len(list(tmp_path.glob("*.csv"))) == 2
    assert len(Table.read(table)) == 2
    monkeypatch.setattr("xspecnf.formats.xcm.write_atomically", full)
    done = run("fit", three[0], "--output", tmp_path / "f.xcm", "--output", tmp_path / "f.json")
    assert (done.exit_code, (tmp_path / "f.json").exists()) == (1, True)
    assert "f.xcm was not written" in done.stderr
    assert "PGStat/dof" in done.stdout


def test_what_is_saved_can_be_loaded(infer: Run, example: Path, tmp_path: Path) -> None:
    done = infer(example, "--samples", 10, "--output", tmp_path / "post.npz", "--json", "--no-refine")
    post = Posterior.load(tmp_path / "post.npz")
    assert post.summary()["norm"].median == json.loads(done.stdout)["parameters"]["norm"]["median"]


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are drawn in no time."""
    monkeypatch.setattr("xspecnf.plots.DPI", 20)


@pytest.mark.usefixtures("coarse")
def test_figures_of_one_spectrum(infer: Run, example: Path, tmp_path: Path) -> None:
    done = infer(example, "--samples", 60, "--refine", "--plot", tmp_path / "{stem}.png", "--unfolded", "--json")
    written = [tmp_path / f"{example.stem}-{kind}.png" for kind in ("corner", "unfolded")]
    assert json.loads(done.stdout)["outputs"] == [str(path) for path in written]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_figure_of_a_batch(infer: Run, three: tuple[Path, ...], tmp_path: Path) -> None:
    done = infer(*three, "--samples", 10, "--plot", tmp_path / "history.svg")
    assert done.exit_code == 1  # one of them fails, the others are drawn
    text = (tmp_path / "history.svg").read_text()
    assert text.lstrip().startswith("<?xml")
    assert [path.name for path in tmp_path.glob("*.svg")] == ["history.svg"]


def test_figures_of_unknown_kind_or_of_one_name_are_wrong_usage(infer: Run, example: Path) -> None:
    assert infer(example, "--plot", "figure.doc").exit_code == 2
    assert infer(example, example, "--plot", "{stem}.png").exit_code == 2
