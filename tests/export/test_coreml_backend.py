"""`--provider coreml` with a stand-in for coremltools that runs the packages' programs in numpy."""

from __future__ import annotations

import json
import pickle
import shutil
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from xspecnf.backends.coreml import UNITS, CoreMLBackend
from xspecnf.backends.onnx import OnnxBackend
from xspecnf.bundle import Bundle, load_bundle
from xspecnf.errors import BundleError, ProviderError
from xspecnf_cli.app import app
from xspecnf_export.mil import Program

ComputeUnit = Enum("ComputeUnit", ["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"])


class StandIn:
    """What CompiledMLModel offers, on what compile_model wrote. Like CoreML it takes float32 and nothing empty."""

    def __init__(self, path: str, compute_units: ComputeUnit) -> None:
        assert path.endswith(".mlmodelc")
        self.program = Program(Path(path))
        self.compute_units = compute_units

    def predict(self, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if any(values.dtype != np.float32 or 0 in values.shape for values in data.values()):
            raise RuntimeError("an array that CoreML does not take")
        return self.program(data)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Pretend to be a Mac; the packages that were compiled so far."""
    done: list[str] = []

    def compile_model(package: str, target: str) -> str:
        done.append(Path(package).name)
        return str(shutil.copytree(package, target))

    utils = SimpleNamespace(compile_model=compile_model)
    coremltools: Any = SimpleNamespace(
        ComputeUnit=ComputeUnit, models=SimpleNamespace(CompiledMLModel=StandIn, utils=utils)
    )
    monkeypatch.setattr("xspecnf.backends.coreml.load_coremltools", lambda provider: coremltools)
    monkeypatch.setattr("xspecnf.backends.coreml.cache_folder", lambda: tmp_path / "cache")
    return done


@pytest.fixture
def loaded(bundle: Path) -> Bundle:
    return load_bundle(bundle)


def inputs(bundle: Bundle, spectra: int, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectra, noise and points of the unit cube."""
    rng = np.random.default_rng(0)
    spectrum = rng.standard_normal((spectra, len(bundle.inputs), 240), dtype=np.float32)
    noise = rng.standard_normal((spectra, samples, 5), dtype=np.float32)
    return spectrum, noise, rng.random((spectra, 5), dtype=np.float32)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("spectra", "samples"), [(2, 5), (1, 0), (0, 4), (0, 0)])
def test_both_backends_give_the_same(loaded: Bundle, spectra: int, samples: int) -> None:
    spectrum, noise, points = inputs(loaded, spectra, samples)
    found, expected = CoreMLBackend(loaded), OnnxBackend(loaded, "cpu")
    context = expected.encode(spectrum)
    pairs = [
        (found.encode(spectrum), context),
        *zip(found.sample(context, noise), expected.sample(context, noise), strict=True),
        (found.decode(points), expected.decode(points)),
    ]
    for one, other in pairs:
        assert one.shape == other.shape
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_packages_are_compiled_once(loaded: Bundle, compiled: list[str]) -> None:
    spectrum, _, points = inputs(loaded, 1, 1)
    for _ in range(2):
        CoreMLBackend(loaded).encode(spectrum)
    assert compiled == ["encoder.mlpackage"]
    pickle.loads(pickle.dumps(CoreMLBackend(loaded))).decode(points)
    assert compiled == ["encoder.mlpackage", "decoder.mlpackage"]


@pytest.mark.usefixtures("compiled")
def test_each_name_is_a_compute_unit(loaded: Bundle) -> None:
    assert set(UNITS.values()) == {unit.name for unit in ComputeUnit}
    for provider, unit in UNITS.items():
        backend = CoreMLBackend(loaded, provider)
        backend.decode(np.zeros((1, 5), np.float32))
        assert backend._models["decoder"].compute_units.name == unit


@pytest.mark.usefixtures("compiled")
def test_what_coreml_says_is_told(loaded: Bundle) -> None:
    wrong = np.zeros((1, 5), np.float64)
    with pytest.raises(ProviderError, match=r"decoder\.mlpackage: CoreML cannot run it on ALL \(an array that CoreML"):
        CoreMLBackend(loaded).decode(wrong)  # type: ignore[arg-type]


@pytest.mark.usefixtures("compiled")
def test_a_bundle_without_packages_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="use --provider cpu"):
        CoreMLBackend(load_bundle(tiny_bundle))


def test_a_spectrum_from_file_to_posterior(bundle: Path, example: Path, compiled: list[str]) -> None:
    """`xspecnf infer --provider coreml-ne` gives what `--provider cpu` does."""
    medians = []
    for provider in ("cpu", "coreml-ne"):
        words = ["infer", example, "--model", bundle, "--samples", 20, "--no-refine", "--json", "--provider", provider]
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)["parameters"]
        medians.append([found[name]["median"] for name in found])
    assert set(compiled) == {"encoder.mlpackage", "flow.mlpackage"}
    np.testing.assert_allclose(*medians, rtol=1e-3)


@pytest.mark.usefixtures("compiled")
def test_models_verify_compares_with_the_golden_outputs(bundle: Path) -> None:
    done = CliRunner().invoke(app, ["models", "verify", str(bundle), "--provider", "coreml-gpu"])
    assert done.exit_code == 0, done.output
    assert "files intact, graphs run, off the golden outputs by " in done.stdout


@pytest.mark.usefixtures("compiled")
def test_doctor_times_and_compares_providers(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf.backends.timing.SAMPLES", 3)
    monkeypatch.setattr("xspecnf.bundle.shipped_bundles", dict)
    providers = ("cpu", "coreml", "coreml-ne")  # of all that there are, to save seconds
    monkeypatch.setattr("xspecnf.backends.opening.get_args", lambda _: providers)
    done = CliRunner().invoke(app, ["doctor", str(bundle), "--benchmark"])
    for provider in providers:
        assert f"small-bundle on {provider}: " in done.stdout, done.output
    assert done.stdout.count("off the golden outputs by") == len(providers)
    assert "fastest here: --provider c" in done.stdout
