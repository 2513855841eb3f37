"""`xspecnf doctor` on a sound installation, and on what is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from xspecnf import selftest
from xspecnf.errors import BundleError, XspecnfError
from xspecnf.model import load_model

Run = Callable[..., Result]


def test_a_sound_installation(run: Run) -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    for words in ("xspecnf ", "numpy 2", "plot: ", "matplotlib 3", "providers: ", "physics: agrees", "all is well"):
        assert words in done.stdout
    assert "nicer-bhb: " in done.stdout
    assert "known parameters found again" in done.stdout


def test_each_extra_is_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What works, what is not whole, and what is there but does not work, which alone is a fault."""
    from xspecnf import trials

    def broken() -> str:
        raise TypeError("no backend")

    states = {"plot": "", "netcdf": "incomplete: needs h5py", "sign": "not installed", "parquet": ""}
    monkeypatch.setattr(trials, "state", states.get)
    monkeypatch.setattr(trials, "TRIALS", dict.fromkeys(states, lambda: "done") | {"parquet": broken})
    monkeypatch.setattr("xspecnf.bundle.shipped_bundles", dict)
    done = run("doctor")
    assert done.exit_code == 1
    tried = [line for line in done.stdout.splitlines() if line.startswith("trial of ")]
    assert tried[:2] == ["trial of plot: done", "trial of netcdf: incomplete: needs h5py"]
    assert len(tried) == 3
    assert tried[2].startswith("trial of parquet: FAILED: the packages do not work together (TypeError: no backend)")


def test_every_fault_is_named(run: Run, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged bundle and a wrong number, both in one go; no traceback."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "copy")
    with (folder / "flow.onnx").open("ab") as file:
        file.write(b"\0")
    monkeypatch.setattr("xspecnf.selftest.GOLDEN", (0.25, 0.19))
    monkeypatch.setattr("xspecnf.bundle.shipped_bundles", dict)
    done = run("doctor", folder)
    assert done.exit_code == 1
    assert "physics: FAILED: the physics is off by 1.6e-02" in done.stdout
    assert f"{folder}: FAILED: {folder / 'flow.onnx'}: its sha256" in done.stdout
    assert "Traceback" not in done.output


def test_the_physics_is_held_to_its_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert selftest.check_physics() < 5e-5
    monkeypatch.setattr("xspecnf.selftest.photons", lambda theta, edges: np.full((1, len(edges) - 1), np.nan))
    with pytest.raises(XspecnfError, match="off by nan"):
        selftest.check_physics()


def test_a_posterior_beside_the_truth_is_refused(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of other parameters than those that are looked for."""
    model = load_model(tiny_bundle, "cpu")
    data = selftest._noiseless(model)
    monkeypatch.setattr(selftest, "_noiseless", lambda _: data)
    monkeypatch.setattr(selftest, "TRUTH", (0.7, 1.7, 0.3, 0.2, 1e4))
    with pytest.raises(BundleError, match="known parameters are not found again"):
        selftest.check_inference(model)


def test_providers_are_timed(run: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf.bundle.shipped_bundles", dict)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    lines = run("doctor", tiny_bundle, "--benchmark").stdout.splitlines()
    (timed,) = (line for line in lines if line.startswith("tiny on cpu: "))
    assert timed.endswith(" ms for a spectrum and 1000 samples; no golden outputs in this bundle")
    assert "fastest here: --provider cpu" in lines


def test_a_provider_with_other_answers_is_not_to_be_used(
    run: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*_: object) -> None:
        raise BundleError("off its golden outputs")

    monkeypatch.setattr("xspecnf.bundle.shipped_bundles", dict)
    monkeypatch.setattr("xspecnf.golden.check_golden", off)
    lines = run("doctor", tiny_bundle, "--benchmark").stdout.splitlines()
    assert "tiny on cpu: not to be used: off its golden outputs" in lines
    assert not any(line.startswith("fastest here") for line in lines)
