"""Folders, patterns and lists as input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from astropy.io import fits
from typer.testing import Result

from xspecnf_cli.inputs import expanded

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two observations with their companions, one of them in a folder of its own."""
    (tmp_path / "deep").mkdir()
    names = ("b.pha", "b_bg.pha", "b.arf", "b.rmf.gz", "deep/a.jsgrp", "deep/a.bg", "deep/c.PHA.gz", "deep/c_bkg.pha")
    for name in names:
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_its_spectra(folder: Path) -> None:
    assert expanded([folder]) == [folder / "b.pha", folder / "deep/a.jsgrp", folder / "deep/c.PHA.gz"]


def test_a_pattern_that_the_shell_left_alone(folder: Path) -> None:
    assert expanded([folder / "**" / "*.pha"]) == [folder / "b.pha", folder / "b_bg.pha", folder / "deep/c_bkg.pha"]


def test_a_list_may_hold_anything(folder: Path) -> None:
    lists = folder / "list.txt"
    lists.write_text(f"# the outburst\n{folder}/nowhere.pha\n\n  {folder}/deep\n")
    assert expanded([Path(f"@{lists}"), folder / "b.pha"]) == [
        folder / "nowhere.pha",  # a file that is named fails by itself, later
        folder / "deep/a.jsgrp",
        folder / "deep/c.PHA.gz",
        folder / "b.pha",
    ]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    odd = tmp_path / "[1].pha"
    odd.touch()
    assert expanded([odd, odd]) == [odd, odd]


@pytest.mark.parametrize(
    "argument", ["{folder}/empty", "{folder}/*.fits", "@{folder}/absent.txt", "@{folder}/none.txt"]
)
def test_nothing_found_is_wrong_usage(folder: Path, argument: str) -> None:
    (folder / "empty").mkdir()
    (folder / "none.txt").write_text("# nothing\n")
    with pytest.raises(typer.BadParameter, match=r"no spectrum there|cannot be read"):
        expanded([Path(argument.format(folder=folder))])


def test_the_command_takes_a_folder_quietly(infer: Run, example: Path, tmp_path: Path) -> None:
    """Nothing is printed, both spectra of the folder have their output."""
    done = infer(example.parent, "--samples", 5, "--quiet", "--response", "bundle", "--output", tmp_path / "{stem}.csv")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert len(list(tmp_path.glob("*.csv"))) == 2
    assert infer(tmp_path, "--quiet").exit_code == 2


def test_a_row_by_option_or_by_braces(infer: Run, example: Path, tmp_path: Path) -> None:
    with fits.open(example) as hdus:
        table = hdus["SPECTRUM"]
        rows = [
            fits.Column("CHANNEL", "1501J", array=np.tile(table.data["CHANNEL"], (2, 1))),
            fits.Column("COUNTS", "1501J", array=np.outer([1, 2], table.data["COUNTS"])),
        ]
        header = {name: table.header[name] for name in ("TELESCOP", "INSTRUME", "DETCHANS", "EXPOSURE")}
    many = fits.BinTableHDU.from_columns(rows, name="SPECTRUM")
    many.header.update(header)
    path = tmp_path / "many.pha"
    many.writeto(path)
    options = ["--response", "bundle", "--json", "--samples", 5, "--no-refine", "--output", f"{tmp_path}/{{stem}}.csv"]
    braces = infer(f"{path}{{1}}", f"{path}{{2}}", *options)
    first, second = (json.loads(line) for line in braces.stdout.splitlines())
    assert second["fit"]["counts"] == 2 * first["fit"]["counts"]
    assert {target.name for target in tmp_path.glob("*.csv")} == {"many_1.csv", "many_2.csv"}
    option = json.loads(infer(path, "--row", 2, *options).stdout)
    assert option["parameters"] == second["parameters"]
    assert "choose one, such as many.pha{1} or --row 1" in infer(path, *options).stderr
