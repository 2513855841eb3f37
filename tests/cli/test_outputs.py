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
