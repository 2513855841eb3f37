"""Folders, patterns and lists as input."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from astropy.io import fits
from astropy.table import Table
from typer.testing import Result

from xspecnf.atomic import write_atomically
from xspecnf_cli.inputs import expanded, spectra
from xspecnf_cli.lists import lists_in
from xspecnf_cli.outputs import target

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
    assert expanded([folder / "**" / "*.pha"]) == [folder / "b.pha"]
    assert expanded([folder / "de*"]) == [folder / "deep/a.jsgrp", folder / "deep/c.PHA.gz"]  # as the shell's would
    assert expanded([folder / "*_bg.pha"]) == [folder / "b_bg.pha"]  # which was meant


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
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252"]
)
def test_a_list_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    spectrum = tmp_path / "Müller's night.pha"
    spectrum.touch()
    lists = tmp_path / "list.txt"
    lists.write_bytes(f"# of June\r\n\"{spectrum}\"\r\n'{spectrum}'\r\n{spectrum}  \r\n".encode(encoding))
    assert expanded([Path(f"@{lists}")]) == [spectrum] * 3


def test_names_in_a_list_lie_in_the_current_folder_else_beside_it(folder: Path, monkeypatch: Any, capsys: Any) -> None:
    lists = folder / "list.txt"
    lists.write_text("b.pha\ndeep\n")
    monkeypatch.chdir(folder.parent)
    beside = [folder / "b.pha", folder / "deep/a.jsgrp", folder / "deep/c.PHA.gz"]
    assert expanded([Path(f"@{lists}")]) == beside
    assert "2 of its names are not in the current folder" in capsys.readouterr().err
    monkeypatch.chdir(folder)
    assert expanded([Path(f"@{lists}")])[0] == Path("b.pha")


def test_what_a_list_s_names_lead_to(folder: Path, monkeypatch: Any, capsys: Any) -> None:
    """Patterns, rows, lists and names from Windows too; one that is in both places is told, one in neither as well."""
    near = folder / "near"
    near.mkdir()
    (near / "b.pha").touch()
    (near / "more.txt").write_text("deep\\a.jsgrp\nb.pha{2}\n\ufeff../deep/c.*.gz\n", encoding="utf-8")
    (near / "list.txt").write_text("@more.txt\nnowhere.pha\n'no where.pha'\n")
    monkeypatch.chdir(folder)
    assert [str(path) for path in expanded([Path("@near/list.txt")])] == [
        "deep/a.jsgrp",
        "b.pha{2}",
        "near/../deep/c.PHA.gz",
        "nowhere.pha",
        "no where.pha",
    ]
    assert capsys.readouterr().err.splitlines() == [
        "@near/list.txt: 1 of its names are not in the current folder; those beside the list were taken",
        "@near/list.txt: no file for 2 of its names: 'nowhere.pha' in line 2, 'no where.pha' in line 3",
        "@near/more.txt: 1 of its names are not in the current folder; those beside the list were taken",
        "@near/more.txt: 1 of its names are in the current folder and beside the list, and differ; "
        "the former were taken",
    ]
    assert list(lists_in([Path("@near/list.txt"), Path("b.pha")])) == [Path("near/list.txt"), Path("near/more.txt")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"b.pha\n\nx*.pha\n", r"@.*list\.txt, line 3: .*x\*\.pha: no spectrum there"),
        (b"# one\r\nb.pha{3-1}\r\n", r"@.*list\.txt, line 2: .* names no rows"),
        (b"@list.txt\n", "the list names itself"),
        (b"SIMPLE  =\0\0\0 \0", "it is no text"),
        ("\u4e00.pha\n".encode("utf-16-le"), "unknown encoding; save it as UTF-8"),  # zeros in both halves
    ],
)
def test_faults_of_a_list_name_it_and_the_line(folder: Path, content: bytes, found: str, monkeypatch: Any) -> None:
    (folder / "list.txt").write_bytes(content)
    monkeypatch.chdir(folder)
    with pytest.raises(typer.BadParameter, match=found):
        expanded([Path("@list.txt")])


def test_names_that_are_no_utf_8(tmp_path: Path, monkeypatch: Any) -> None:
    """As the file system has them, or as Windows wrote them and a UTF-8 file system has them, here or beside."""
    lists = tmp_path / "list.txt"
    lists.write_bytes(b"caf\xe9.pha\n'caf\xe9.pha'\nd\x80.pha\n")
    (tmp_path / "d€.pha").touch()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pha")).touch()
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    names = [os.fsdecode(b"caf\xe9.pha")] * 2 + ["d€.pha"]
    assert expanded([Path(f"@{lists}")]) == [tmp_path / name for name in names]
    monkeypatch.chdir(tmp_path)
    assert expanded([Path("@list.txt")]) == [Path(name) for name in names]


def test_a_spectrum_whose_name_is_no_utf_8(infer: Run, example: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Every output has it, the script for XSPEC its bytes; a table that has it goes on."""
    pytest.importorskip("corner")
    name, table = os.fsdecode(b"caf\xe9.pha"), tmp_path / "t.ecsv"
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).write_bytes(example.read_bytes())
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    outputs = [f"--output={tmp_path}/out{suffix}" for suffix in (".csv", ".json", ".npz", ".fits")]
    done = infer(name, "--samples", 300, "--no-refine", "--response", "bundle", *outputs, "--plot", "fig.png")
    assert (done.exit_code, done.stderr, done.stdout.splitlines()[0]) == (0, "", "caf\\xe9.pha")
    for _ in range(2):
        done = infer(name, "--samples", 5, "--no-refine", "--response", "bundle", "--table", table)
        assert done.exit_code == 0
        assert list(Table.read(table)["file"]) == ["caf\\xe9.pha"]
    assert "1 of 1 files are in" in done.stderr
    write_atomically(tmp_path / "fit.xcm", f"data 1:1 {name}\n")
    assert (tmp_path / "fit.xcm").read_bytes() == b"data 1:1 caf\xe9.pha\n"


@pytest.fixture
def observed(tmp_path: Path, example: Path) -> Path:
    """A folder with a spectrum, a background that says so and one that the spectrum names."""
    for name, keywords in (
        ("a_sr3c50.pha", {"BACKFILE": "a_model.pha"}),
        ("a_bg3c50.pha", {"HDUCLAS2": "BKG"}),
        ("a_model.pha", {}),
    ):
        with fits.open(example) as hdus:
            hdus["SPECTRUM"].header.update(keywords)
            hdus.writeto(tmp_path / name)
    packed = tmp_path / "b_bg3c50.pha.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a_bg3c50.pha").read_bytes()))
    return tmp_path


@pytest.mark.parametrize("argument", ["", "*.pha*"])
def test_backgrounds_of_a_folder_or_a_pattern_are_left_out(observed: Path, argument: str, capsys: Any) -> None:
    assert expanded([observed / argument]) == [observed / "a_sr3c50.pha"]
    assert "3 backgrounds were left out: a_bg3c50.pha, a_model.pha, b_bg3c50.pha.gz" in capsys.readouterr().err
    assert expanded([observed / "*_bg3c50.pha"]) == [observed / "a_bg3c50.pha"]  # which were meant


def test_a_folder_of_backgrounds_alone(observed: Path) -> None:
    (observed / "a_sr3c50.pha").unlink()
    (observed / "a_model.pha").unlink()
    with pytest.raises(typer.BadParameter, match="no spectrum there; 2 are called or marked as backgrounds; name them"):
        expanded([observed])


def test_a_background_that_is_named_is_done_and_says_what_it_is(infer: Run, observed: Path) -> None:
    done = infer(observed / "a_bg3c50.pha", "--samples", 5, "--response", "bundle")
    assert "note: a_bg3c50.pha says that it is a background (HDUCLAS2 = BKG)" in done.stdout


def test_rows_of_a_file(folder: Path) -> None:
    series = folder / "b.pha"
    rows = [Path(f"{series}{{{k}}}") for k in (1, 2, 3, 5)]
    assert expanded([Path(f"{series}{{1-3, 5}}")]) == rows
    assert expanded([Path(f"{folder}/*.pha{{2-3}}")]) == rows[1:3]
    assert spectra([series], row="1-3,5") == rows
    (folder / "odd{1-2}").touch()
    assert expanded([folder / "odd{1-2}"]) == [folder / "odd{1-2}"]
    for wrong in ("{3-1}", "{-1}", "{1-}", "{1,,2}", "{1-999999999}"):
        with pytest.raises(typer.BadParameter, match="names no rows"):
            expanded([Path(f"{series}{wrong}")])
    with pytest.raises(typer.BadParameter, match="names its row"):
        spectra([rows[0]], row="2")


def test_extensions_are_no_pattern(folder: Path) -> None:
    for behind in ("[SPECTRUM]", "[1]", "[SPECTRUM,2]", "+1", "[SPECTRUM]{3}"):
        assert expanded([Path(f"{folder}/b.pha{behind}")]) == [Path(f"{folder}/b.pha{behind}")]
    assert expanded([folder / "[ab].pha"]) == [folder / "b.pha"]
    assert expanded([folder / "[ab].pha[1]{2}"]) == [folder / "b.pha[1]{2}"]
    assert expanded([folder / "*.pha+1"]) == [folder / "b.pha+1"]
    assert expanded([folder / "absent.pha[1]"]) == [folder / "absent.pha[1]"]  # the reading says that there is none
    (folder / "b.pha1").touch()
    assert expanded([folder / "[ab].pha[1]"]) == [folder / "b.pha1"]
    assert target("{stem}.npz", Path("x/b.pha.gz[SPECTRUM,2]{3}")) == Path("b_SPECTRUM_2_3.npz")


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
    table = tmp_path / "t.ecsv"
    assert infer(path, "--table", table, "--response", "bundle", "--samples", 5, "--no-refine").exit_code == 0
    assert [row["file"] for row in Table.read(table)] == [f"{path}{{1}}", f"{path}{{2}}"]
    assert spectra([Path(f"{path}[SPECTRUM]")], all_rows=True) == [Path(f"{path}[SPECTRUM]{{{k}}}") for k in (1, 2)]
    assert spectra([Path(f"{path}{{2}}"), example], all_rows=True) == [Path(f"{path}{{2}}"), example]
    done = infer(f"{path}{{2-3}}", *options)
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 2)
    assert "none of them row 3" in done.stderr
