"""Where the graphs run, with stand-ins for an onnxruntime built for CUDA or CoreML."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xspecnf.backends.opening import available
from xspecnf.backends.providers import COREML, CPU, CUDA, choose_provider
from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError, MissingExtraError, ProviderError
from xspecnf.model import load_model

GRAPH = Path("encoder.onnx")


def stand_in(monkeypatch: pytest.MonkeyPatch, available: list[str], started: list[str] | None) -> None:
    """An onnxruntime with the providers `available`, whose sessions run on those `started`, or do not open."""

    class Session:
        def __init__(self, path: str, providers: list[str]) -> None:
            assert path == str(GRAPH)
            if started is None:
                raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version")

        def get_providers(self) -> list[str]:
            assert started is not None
            return started

    def preload() -> None:
        print("Failed to load libcublasLt.so")

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: available)
    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    monkeypatch.setattr("onnxruntime.preload_dlls", preload, raising=False)


def test_cuda_is_taken_where_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, [CUDA, CPU], [CUDA, CPU])
    assert choose_provider("cuda", GRAPH) == choose_provider("auto", GRAPH) == "cuda"
    assert choose_provider("cpu", GRAPH) == "cpu"


def test_an_onnxruntime_without_cuda_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, [CPU], [CPU])
    with pytest.raises(ProviderError, match=r"only CPUExecutionProvider; run: pip .* 'onnxruntime-gpu\[cuda,cudnn\]'"):
        choose_provider("cuda", GRAPH)
    assert choose_provider("auto", GRAPH) == "cpu"


@pytest.mark.parametrize("started", [[CPU], None])
def test_a_cuda_that_does_not_start_is_an_error_only_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], started: list[str] | None
) -> None:
    stand_in(monkeypatch, [CUDA, CPU], started)
    with pytest.raises(ProviderError, match=r"provider cuda: onnxruntime cannot start CUDA: no GPU, .*--provider cpu"):
        choose_provider("cuda", GRAPH)
    assert choose_provider("auto", GRAPH) == "cpu"
    assert capfd.readouterr() == ("", "")


def test_onnxruntimes_coreml_provider_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, [COREML, CPU], [COREML, CPU])
    assert choose_provider("ort-coreml", GRAPH) == "ort-coreml"
    assert choose_provider("auto", GRAPH) == "cpu"
    stand_in(monkeypatch, [CPU], [CPU])
    with pytest.raises(ProviderError, match="provider ort-coreml: this onnxruntime offers only CPUExecutionProvider"):
        choose_provider("ort-coreml", GRAPH)


def test_it_is_asked_for_before_the_cpu(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def session(path: str, options: object, providers: list[str]) -> None:
        raise RuntimeError(f"asked for {providers}")

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [COREML, CPU])
    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    model = load_model(tiny_bundle, "ort-coreml")
    with pytest.raises(BundleError, match=rf"asked for \['{COREML}', '{CPU}'\]"):
        model.backend.decode(np.zeros((1, 5), np.float32))


def test_coreml_is_refused_elsewhere_than_on_a_mac(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf.backends.coreml.sys", SimpleNamespace(platform="linux"))
    with pytest.raises(ProviderError, match=r"provider coreml-ne: CoreML runs on macOS alone, .*; use --provider cpu$"):
        load_model(tiny_bundle, "coreml-ne")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    assert [backend.provider for backend in available(load_bundle(tiny_bundle))] == ["cpu"]


def test_on_a_mac_coreml_needs_its_extra(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf.backends.coreml.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(MissingExtraError, match=r"provider coreml needs coremltools.*pip install 'xspecnf\[coreml\]'"):
        load_model(tiny_bundle, "coreml")


def test_a_model_is_refused_before_it_is_used(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    with pytest.raises(ProviderError, match="provider cuda"):
        load_model(tiny_bundle, "cuda")
    assert load_model(tiny_bundle).backend.provider == "cpu"
