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


def test_too_few_samples_for_a_corner_plot_are_wrong_usage(
    infer: Run, run: Run, tiny_bundle: Path, three: tuple[Path, ...], tmp_path: Path
) -> None:
    """Before any work: no answer, no table."""
    plot, table = tmp_path / "new" / "{stem}.png", tmp_path / "t.ecsv"
    page = ("--model", tiny_bundle, "--output", tmp_path / "page.html")
    for done in (
        infer(three[0], three[2], "--samples", 5, "--plot", plot, "--table", table),
        run("report", three[0], "--samples", 5, *page),
    ):
        assert (done.exit_code, done.stdout) == (2, "")
        assert "--samples: 5 samples are too few for a corner plot" in done.stderr
    assert not table.exists()
    assert infer(three[0], three[2], "--samples", 5, "--plot", tmp_path / "history.png").exit_code == 0


@pytest.mark.usefixtures("coarse")
def test_a_figure_that_cannot_be_drawn_costs_itself(
    infer: Run, three: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two spectra the first's corner plot: its spectrum is drawn, its row is there, the second has all."""
    from xspecnf.plots import corner

    draw = corner.corner

    def fussy(posterior: Posterior, raw: Posterior | None = None) -> object:
        if posterior.file == str(three[0]):
            raise ValueError("no spread in nH")
        return draw(posterior, raw)

    monkeypatch.setattr(corner, "corner", fussy)
    table = tmp_path / "t.ecsv"
    call = (three[0], three[2], "--samples", 20, "--plot", tmp_path / "{stem}.png", "--table", table, "--json")
    done = infer(*call)
    assert done.exit_code == 1
    stem = three[0].stem
    assert done.stderr == f"error: {three[0]}: {tmp_path}/{stem}-corner.png: no spread in nH\n"
    assert [json.loads(line)["outputs"] for line in done.stdout.splitlines()] == [
        [f"{tmp_path}/{stem}-spectrum.png"],
        [f"{tmp_path}/twin-corner.png", f"{tmp_path}/twin-spectrum.png"],
    ]
    assert not any(Table.read(table)["error"].filled("").tolist())
    monkeypatch.setattr(corner, "corner", draw)
    again = infer(*call)
    assert (again.exit_code, json.loads(again.stdout)["file"]) == (0, str(three[0]))
    assert (tmp_path / f"{stem}-corner.png").exists()


def test_a_history_that_cannot_be_drawn_costs_itself(
    infer: Run, three: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> object:
        raise ValueError("no time")

    monkeypatch.setattr("xspecnf.plots.history.history", never)
    table = tmp_path / "t.ecsv"
    done = infer(three[0], three[2], "--samples", 10, "--plot", tmp_path / "history.png", "--table", table, "--quiet")
    assert done.exit_code == 1
    assert done.stderr == f"error: 2 files: {tmp_path}/history.png: no time\n"
    assert len(Table.read(table)) == 2


def test_an_output_that_cannot_be_written_costs_itself(
    infer: Run, three: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder goes while the first file is done."""
    save = Posterior.save

    def removing(self: Posterior, path: str | Path) -> None:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        save(self, path)

    monkeypatch.setattr(Posterior, "save", removing)
    outputs = ("--output", tmp_path / "out" / "{stem}.csv", "--output", tmp_path / "{stem}.npz")
    done = infer(three[0], three[2], "--samples", 10, *outputs, "--json", "--no-refine")
    assert done.exit_code == 1
    files = [f"{tmp_path}/out/{three[0].stem}.csv", f"{tmp_path}/out/twin.csv"]
    lines = [f"error: {path}: {file}: No such file or directory" for path, file in zip(three[::2], files, strict=True)]
    assert done.stderr.splitlines() == lines
    written = [json.loads(line)["outputs"] for line in done.stdout.splitlines()]
    assert written == [[f"{tmp_path}/{three[0].stem}.npz"], [f"{tmp_path}/twin.npz"]]


def test_a_row_without_its_files_is_done_again(infer: Run, three: tuple[Path, ...], tmp_path: Path) -> None:
    table = tmp_path / "t.ecsv"
    call = (three[0], three[2], "--samples", 10, "--table", table, "--json", "--no-refine")
    assert infer(*call).stdout.count("\n") == 2
    assert infer(*call, "--output", tmp_path / "{stem}.csv").stdout.count("\n") == 2
    (tmp_path / "twin.csv").unlink()
    again = infer(*call, "--output", tmp_path / "{stem}.csv")
    assert json.loads(again.stdout)["file"] == str(three[2])
    assert len(Table.read(table)) == 2
