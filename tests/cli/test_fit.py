"""`xspecnf fit`: the table, the JSON, the XSPEC script, the exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from xspecnf.simulation import Setup, simulate_file

Run = Callable[..., Result]
NAMES = ("nH", "Gamma", "f_sc", "kT_disk", "norm")


@pytest.fixture
def fit(run: Run, tiny_bundle: Path) -> Run:
    """As `run("fit", ...)` with the tiny bundle."""

    def invoke(*arguments: object) -> Result:
        return run("fit", "--model", tiny_bundle, *arguments)

    return invoke


def test_the_table_has_the_fit_its_errors_and_a_script(fit: Run, example: Path, tmp_path: Path) -> None:
    done = fit(example, "--profile", 1, "--output", tmp_path / "{stem}.xcm", "--output", tmp_path / "fit.json")
    assert done.exit_code == 0
    for name in NAMES:
        assert f"\n  {name} " in done.stdout
    for text in ("68 % (curvature)", "delta 1 (profile)", "PGStat/dof 568.9/234", "-2 ln L", "no background file"):
        assert text in done.stdout
    script = (tmp_path / f"{example.stem}.xcm").read_text()
    assert f"data 1:1 {example.resolve()}\n" in script
    assert f"arf 1:1 {example.with_suffix('.arf').resolve()}\n" in script
    assert "backgrnd 1:1 none\n" in script
    record = json.loads((tmp_path / "fit.json").read_text())
    assert _values(script) == pytest.approx(_in_xspec_order(record), rel=1e-5)
    assert record["parameters"]["nH"]["best"] == pytest.approx(0.1175, rel=0.01)  # as least squares have it
    assert record["parameters"]["kT_disk"]["best"] == pytest.approx(0.28, rel=0.02)


def test_the_script_names_the_files_that_the_fit_used(fit: Run, example: Path, tmp_path: Path) -> None:
    """Those that were found by the spectrum's own name as well: XSPEC would not find them."""
    names = {"rmf.gz": "response", "arf": "arf"}
    for suffix in names:
        shutil.copy(example.with_suffix(f".{suffix}"), tmp_path / f"ni1mpu7.{suffix}")
    setup = Setup((0.5, 2.0, 0.2, 0.8, 3e2), 100.0, tmp_path / "ni1mpu7.rmf.gz", tmp_path / "ni1mpu7.arf")
    simulate_file(setup, tmp_path / "ni1mpu7_sr.pha", seed=1)
    simulate_file(replace(setup, theta=(0.5, 2.0, 0.2, 0.8, 1.0)), tmp_path / "ni1mpu7_bg.pha", seed=2)
    done = fit(tmp_path / "ni1mpu7_sr.pha", "--output", tmp_path / "fit.xcm", "--json")
    files = json.loads(done.stdout)["files"]
    lines = (line.split() for line in (tmp_path / "fit.xcm").read_text().splitlines() if " 1:1 " in line)
    script = {words[0]: words[2] for words in lines}
    kinds = {"data": "spectrum", "response": "rmf", "arf": "arf", "backgrnd": "background"}
    assert script == {command: str(Path(files[kind]).resolve()) for command, kind in kinds.items()}
    assert Path(script["backgrnd"]).name == "ni1mpu7_bg.pha"


def _values(script: str) -> list[float]:
    """The seven values below the `model` line."""
    lines = script.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("model "))
    return [float(line.split()[0]) for line in lines[start + 1 :]]


def _in_xspec_order(record: dict) -> list[float]:
    best = {name: entry["best"] for name, entry in record["parameters"].items()}
    return [best["nH"], best["Gamma"], best["f_sc"], 0, 100, best["kT_disk"], best["norm"]]


def test_both_starts_find_the_same(fit: Run, example: Path) -> None:
    records = [json.loads(fit(example, "--json", "--start", start).stdout) for start in ("posterior", "prior")]
    values = [record["fit"]["minus_two_ln_likelihood"] for record in records]
    assert values[0] == pytest.approx(values[1], abs=0.1)


def test_another_minimum_within_delta_is_told(fit: Run, example: Path, tmp_path: Path) -> None:
    """A cool absorbed disc of 700 counts; a hot one fits worse by 2.2."""
    rmf, arf = example.with_suffix(".rmf.gz"), example.with_suffix(".arf")
    simulate_file(Setup((1.0, 2.5, 0.02, 0.06, 3e5), 1000.0, rmf, arf), tmp_path / "cool.pha", seed=3)
    told = ["may be in two pieces" in fit(tmp_path / "cool.pha", "--profile", d).stdout for d in (1, 2.706)]
    assert told == [False, True]


def test_a_bad_file_fails_alone(fit: Run, example: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pha"
    bad.write_text("no FITS file")
    done = fit(bad, example, "--json")
    assert done.exit_code == 1
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["file"] == str(bad)
    assert "error" in first
    assert "parameters" in second
    assert done.stderr.startswith(f"error: {bad}: ")


@pytest.mark.parametrize(("option", "value"), [("--profile", 0), ("--output", "fit.csv"), ("--start", "middle")])
def test_wrong_usage(fit: Run, example: Path, option: str, value: object) -> None:
    assert fit(example, option, value).exit_code == 2


def test_an_output_that_cannot_be_written_costs_itself(
    fit: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("xspecnf.formats.xcm.write_atomically", full)
    script, record = tmp_path / "new" / "fit.xcm", tmp_path / "fit.json"
    done = fit(example, "--output", script, "--output", record, "--json")
    assert done.exit_code == 1
    assert done.stderr == f"error: {example}: {script}: No space left on device\n"
    assert json.loads(done.stdout)["outputs"] == [str(record)]
    assert json.loads(record.read_text())["parameters"] == json.loads(done.stdout)["parameters"]
