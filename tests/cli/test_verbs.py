"""The other verbs: models, and train and export where torch is absent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import Result

from xspecnf.bundle import load_bundle

Run = Callable[..., Result]


def test_models_list_show_verify(run: Run, tiny_bundle: Path) -> None:
    assert run("models", "list").exit_code == 0
    shown = run("models", "show", tiny_bundle)
    assert "ezdiskbb.T_max" in shown.stdout
    assert "0.025 .. 4 keV" in shown.stdout
    assert json.loads(run("models", "show", tiny_bundle, "--json").stdout)["parameters"][3]["name"] == "kT_disk"
    verified = run("models", "verify", tiny_bundle)
    assert verified.exit_code == 0
    assert "files intact, graphs run" in verified.stdout


def test_models_show_fits_a_screen(run: Run) -> None:
    """Its figures are those of the manifest."""
    lines = run("models", "show").stdout.splitlines()
    assert len(lines) < 24
    claimed = load_bundle("nicer-bhb").metrics["network"]["claimed"]
    (network,) = (line for line in lines if line.strip().startswith("network, "))
    assert f"within {claimed['coverage']['marginal']['max']:.3f} of nominal" in network
    assert f"efficiency {claimed['efficiency']['median']:.2f}" in network


def test_verify_finds_a_changed_byte(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "copy")
    with (folder / "flow.onnx").open("ab") as file:
        file.write(b"\0")
    done = run("models", "verify", folder)
    assert done.exit_code == 1
    assert "flow.onnx: its sha256" in done.stderr


def test_train_learns_of_the_real_spectra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder, RMF and ARFs arrive together, and the bundle to begin with; the trainer itself is not run."""
    calls: list[tuple[object, ...]] = []

    def train(config: Path, output: Path, resume: bool, real: object, start: object, **_: object) -> None:
        calls.append((config, output, resume, real, start))

    monkeypatch.setitem(sys.modules, "xspecnf_train.real", SimpleNamespace(RealFiles=lambda *files: files))
    monkeypatch.setitem(sys.modules, "xspecnf_train.run", SimpleNamespace(train=train))
    config, spectra, arfs, rmf = (tmp_path / name for name in ("run.toml", "spectra", "arfs", "nicer.rmf"))
    config.touch()
    rmf.touch()
    spectra.mkdir()
    arfs.mkdir()
    call = ("train", config, "--output", tmp_path / "run")
    assert run(*call).exit_code == 0
    real = ("--real", spectra, "--real-rmf", rmf, "--real-arfs", arfs)
    assert run(*call, *real, "--restart", "--start", "nicer-bhb").exit_code == 0
    assert calls == [
        (config, tmp_path / "run", True, None, None),
        (config, tmp_path / "run", False, (spectra, rmf, arfs), "nicer-bhb"),
    ]
    assert run(*call, "--real", tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize("verb", ["train", "export"])
def test_without_torch_one_line_names_the_extra(verb: str, tmp_path: Path) -> None:
    argument = tmp_path / "config.toml" if verb == "train" else tmp_path
    (tmp_path / "config.toml").touch()
    call = [verb, str(argument), "--output", str(tmp_path / "out")]
    script = f"import sys; sys.modules['torch'] = None; sys.argv = ['xspecnf', *{call!r}]\n"
    script += "from xspecnf_cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    missing = r"(torch|safetensors|nflows)"  # whichever is asked for first of those that are not here
    line = rf"error: {verb} needs {missing}, which is not installed; run: pip install 'xspecnf\[{verb}\]'\n"
    assert re.fullmatch(line, done.stderr)


def test_the_command_starts_without_the_heavy_packages() -> None:
    heavy = {"torch", "astropy", "onnxruntime", "numpy"}
    script = f"import sys; import xspecnf_cli.app; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_names_every_verb(run: Run) -> None:
    text = run("--help").stdout
    for verb in ("infer", "simulate", "train", "export", "models"):
        assert verb in text
