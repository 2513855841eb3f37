"""`xspecnf infer` on a real file: the table, the JSON, the files, the exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import Result

Run = Callable[..., Result]
NAMES = ("nH", "Gamma", "f_sc", "kT_disk", "norm")


def test_the_table_has_parameters_fit_verdict_and_timing(infer: Run, example: Path) -> None:
    done = infer(example, "--samples", 50)
    assert done.exit_code == 0
    assert str(example) in done.stdout
    for name in NAMES:
        assert f"\n  {name} " in done.stdout
    for text in ("68 % interval", "1e22 cm-2", "PGStat/dof", "verdict: reject", "misfit: ", "50 samples in"):
        assert text in done.stdout


def test_json_is_one_object_a_line(infer: Run, example: Path) -> None:
    done = infer(example, example, "--samples", 30, "--seed", 4, "--json")
    assert done.exit_code == 0
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 2
    for record in records:
        assert record["file"] == str(example)
        assert (record["model"], record["samples"], record["seed"]) == ("tiny", 30, 4)
        assert tuple(record["parameters"]) == NAMES
        assert record["fit"]["dof"] == record["fit"]["bins"] - 5
        assert record["fit"]["reduced"] == pytest.approx(record["fit"]["value"] / record["fit"]["dof"])
        assert record["diagnostics"]["verdict"] == "reject"
        assert "misfit" in record["diagnostics"]["flags"]
    assert records[0]["parameters"] == records[1]["parameters"]


def test_outputs_are_written_and_named(infer: Run, example: Path, tmp_path: Path) -> None:
    done = infer(
        example, "--samples", 20, "--json", "--output", tmp_path / "{stem}.csv", "--output", tmp_path / "all.json"
    )
    outputs = json.loads(done.stdout)["outputs"]
    assert outputs == [str(tmp_path / f"{example.stem}.csv"), str(tmp_path / "all.json")]
    assert len(np.loadtxt(outputs[0], delimiter=",", skiprows=1)) == 20
    assert len(json.loads(Path(outputs[1]).read_text())["chain"]["theta"]) == 20


def test_refining_reports_effective_samples_and_evidence(infer: Run, example: Path) -> None:
    diagnostics = json.loads(infer(example, "--samples", 20, "--refine", "--json").stdout)["diagnostics"]
    assert 1 <= diagnostics["ess"] <= 20
    assert 0 < diagnostics["efficiency"] <= 1  # of the draws, of which there may be more than samples
    assert np.isfinite(diagnostics["log_evidence"])
    assert "low-ess" in diagnostics["flags"]
    assert "exact likelihood: " in infer(example, "--samples", 20, "--refine").stdout


def test_a_bad_file_fails_alone(infer: Run, example: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pha"
    bad.write_text("no FITS file")
    done = infer(bad, example, tmp_path / "absent.pha", "--samples", 10, "--json")
    assert done.exit_code == 1
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert first["file"] == str(bad)
    assert "error" in first
    assert "error" in third
    assert "parameters" in second
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {bad}: ")
    assert "Traceback" not in done.output


def test_debug_lets_the_traceback_through(infer: Run, tmp_path: Path) -> None:
    done = infer(tmp_path / "absent.pha", "--debug")
    assert done.exit_code == 1
    assert done.exception is not None
    assert not isinstance(done.exception, SystemExit)


def test_a_missing_response_names_the_option_that_helps(infer: Run, orphan: Path) -> None:
    done = infer(orphan)
    assert done.exit_code == 1
    assert "--response bundle" in done.stderr
    assert "--rmf" in done.stderr
    helped = infer(orphan, "--response", "bundle", "--json", "--samples", 10)
    assert helped.exit_code == 0
    assert "reference-response" in json.loads(helped.stdout)["diagnostics"]["flags"]


def test_response_files_can_be_given(infer: Run, orphan: Path, example: Path) -> None:
    files = ("--rmf", example.with_suffix(".rmf.gz"), "--arf", example.with_suffix(".arf"))
    given = json.loads(infer(orphan, *files, "--samples", 10, "--json").stdout)
    found = json.loads(infer(example, "--samples", 10, "--json").stdout)
    assert given["parameters"] == found["parameters"]


def test_systematic_error_replaces_the_files(infer: Run, example: Path) -> None:
    outputs = [infer(example, "--systematic", e, "--samples", 10, "--json").stdout for e in (0, 0.3)]
    plain, doubtful = (json.loads(output)["fit"]["value"] for output in outputs)
    assert doubtful < plain


def test_the_marginal_likelihood_is_said(infer: Run, example: Path) -> None:
    assert "the likelihood is the marginal one" in infer(example, "--samples", 10, "--marginal").stdout
    assert "marginal" not in infer(example, "--samples", 10).stdout


def test_background_none_is_taken_at_its_word(infer: Run, example: Path) -> None:
    done = infer(example, "--background", "none", "--samples", 10, "--json")
    assert "no-background" in json.loads(done.stdout)["diagnostics"]["flags"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--samples", "0"),
        ("--samples", "-3"),
        ("--seed", "-1"),
        ("--systematic", "2"),
        ("--provider", "abacus"),
        ("--response", "mine"),
        ("--output", "chain.txt"),
        ("--frobnicate",),
    ],
)
def test_wrong_usage_is_exit_code_2(infer: Run, example: Path, arguments: tuple[str, ...]) -> None:
    done = infer(example, *arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_no_observation_is_wrong_usage(run: Run) -> None:
    assert run("infer").exit_code == 2


def test_two_observations_cannot_share_an_output(infer: Run, example: Path, tmp_path: Path) -> None:
    done = infer(example, tmp_path / "other.pha", "--output", tmp_path / "one.csv")
    assert done.exit_code == 2
    assert "{stem}" in done.stderr


def test_a_damaged_bundle_is_one_line_and_exit_code_1(run: Run, example: Path, tmp_path: Path) -> None:
    done = run("infer", example, "--model", tmp_path)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")


def test_coreml_elsewhere_than_on_a_mac_is_one_line(
    run: Run, tiny_bundle: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xspecnf.backends.coreml.sys", SimpleNamespace(platform="linux"))
    done = run("infer", example, "--model", tiny_bundle, "--provider", "coreml")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: provider coreml: CoreML runs on macOS alone, and this is ")
    assert done.stderr.count("\n") == 1
