"""Golden outputs: the graphs reproduce them, and what does not is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xspecnf import load_model
from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError
from xspecnf.golden import GOLDEN, LIMITS, check_golden
from xspecnf.verification import verify_graphs
from xspecnf_train.config import TrainConfig
from xspecnf_train.model import Networks

CONFIGS = Path(__file__).parents[2] / "train" / "xspecnf_train" / "configs"


def rewritten(bundle: Path, copy: Path, graph: str, **arrays: np.ndarray) -> Path:
    """A copy of the bundle whose golden file of `graph` has other arrays, and a manifest that agrees."""
    shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns("*.mlpackage"))
    np.savez(copy / GOLDEN[graph], **arrays)  # type: ignore[arg-type]
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"] = {name: sha for name, sha in manifest["files"].items() if ".mlpackage" not in name}
    manifest["files"][GOLDEN[graph]] = hashlib.sha256((copy / GOLDEN[graph]).read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_the_graphs_reproduce_them(bundle: Path) -> None:
    found = verify_graphs(load_model(bundle, "cpu"))
    assert set(found) == set(LIMITS)
    assert max(found.values()) < 1e-3
    assert all((bundle / name).stat().st_size < 200_000 for name in GOLDEN.values())


def test_the_shipped_weights_are_those_of_the_shipped_graphs() -> None:
    """In float64, within what rounding the graphs' products of matrices leaves."""
    shipped = load_bundle("nicer-bhb")
    networks = Networks(TrainConfig.load(CONFIGS / "nicer-bhb.toml"))
    networks.load_state_dict(load_file(shipped.weights()))
    networks.double().eval().requires_grad_(False)
    encoder, flow, decoder = (np.load(shipped.path / GOLDEN[graph]) for graph in ("encoder", "flow", "decoder"))
    noise = torch.from_numpy(flow["noise"]).double()
    context = torch.from_numpy(flow["context"]).double().repeat_interleave(noise.shape[1], dim=0)
    theta, log_prob = networks.flow.sample(noise.flatten(0, 1), context)
    np.testing.assert_allclose(theta.view(noise.shape), flow["theta"], atol=5e-7)
    np.testing.assert_allclose(log_prob.view(noise.shape[:2]), flow["log_prob"], atol=2e-5)
    context = networks.encoder(torch.from_numpy(encoder["spectrum"]).double())
    np.testing.assert_allclose(context, encoder["context"], atol=1e-6)
    spectrum = networks.decoder(torch.from_numpy(decoder["theta"]).double())
    np.testing.assert_allclose(spectrum, decoder["spectrum"], atol=1e-6)


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_other_numbers_are_refused(bundle: Path, tmp_path: Path, wrong: float) -> None:
    with np.load(bundle / GOLDEN["flow"]) as stored:
        arrays = dict(stored)
    copy = rewritten(bundle, tmp_path / "copy", "flow", **arrays | {"log_prob": arrays["log_prob"] + wrong})
    with pytest.raises(BundleError, match=r"on cpu the graphs are off .* outputs \(log_prob by (1\.0e-01|inf)"):
        verify_graphs(load_model(copy, "cpu"))


def test_a_file_without_the_tensors_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = rewritten(bundle, tmp_path / "copy", "decoder", theta=np.zeros((1, 5), np.float32))
    with pytest.raises(BundleError, match=r"decoder\.golden\.npz: no readable golden outputs \('spectrum'\)"):
        verify_graphs(load_model(copy, "cpu"))


def test_a_bundle_without_them_is_not_compared(tiny_bundle: Path) -> None:
    assert check_golden(load_bundle(tiny_bundle), load_model(tiny_bundle, "cpu").backend) == {}
