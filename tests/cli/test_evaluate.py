"""`xspecnf evaluate` writes, prints and plots the same figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
SMALL = ("--spectra", 20, "--samples", 20, "--exact", 4, "--refined", 0, "--workers", 1)


def test_evaluate_writes_what_it_prints(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "metrics.json"
    done = run("evaluate", tiny_bundle, *SMALL, "--json", "--output", output)
    assert done.exit_code == 0, done.output
    figures = json.loads(output.read_text())
    assert json.loads(done.stdout) == figures
    assert figures["sizes"] == {"spectra": 20, "samples": 20, "exact": 4, "refined": 0}
    assert figures["network"]["all"]["pgstat"]["spectra"] == 4


def test_evaluate_prints_tables_and_plots(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("evaluate", tiny_bundle, *SMALL, "--plots", tmp_path / "plots")
    assert done.exit_code == 0, done.output
    assert "| **all** | 20 |" in done.stdout
    assert (tmp_path / "plots" / "coverage.png").exists()


def test_more_refined_than_simulated_means_all(run: Run, tiny_bundle: Path) -> None:
    done = run("evaluate", tiny_bundle, "--spectra", 2, "--samples", 20, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sizes"]["refined"] == 2
