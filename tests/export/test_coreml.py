"""The CoreML packages of an exported bundle: contract, numbers, gate, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from xspecnf.backends.base import TENSORS
from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError
from xspecnf_cli.app import app
from xspecnf_export import coreml
from xspecnf_export.bundle import load_networks
from xspecnf_export.mil import Program
from xspecnf_export.mil_operations import OPERATIONS
from xspecnf_export.onnx import DYNAMIC
from xspecnf_export.sampler import Sampler
from xspecnf_train.config import TrainConfig
from xspecnf_train.model import Networks


@pytest.fixture(scope="module")
def networks(run: Path) -> Networks:
    return load_networks(run, TrainConfig.load(run / "config.toml"))


def test_packages_keep_the_contract(bundle: Path) -> None:
    tensors = json.loads((bundle / "manifest.json").read_text())["tensors"]
    for graph, (inputs, outputs) in TENSORS.items():
        program = Program(bundle / f"{graph}.mlpackage")
        assert (set(program.inputs), program.outputs) == (set(inputs), outputs)
        for tensor in program.description.input:
            ranges = tensor.type.multiArrayType.shapeRange.sizeRanges
            free = [size.upperBound > size.lowerBound for size in ranges]
            assert free == [name in DYNAMIC for name in tensors[graph]["inputs"][tensor.name]]
            assert tensor.shortDescription


def test_packages_say_what_they_are_and_not_where_they_were_made(bundle: Path) -> None:
    for package in bundle.glob("*.mlpackage"):
        about = Program(package).description.metadata
        assert (about.versionString, about.license, about.author) == ("0.0.1", "BSD-3-Clause", "The xspecnf developers")
        content = b"".join(path.read_bytes() for path in package.rglob("*") if path.is_file())
        assert str(Path(__file__).parents[2]).encode() not in content
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in package.rglob("*"))


@pytest.mark.parametrize(("spectra", "samples"), [(1, 1), (3, 7)])
def test_the_flow_of_any_size_is_the_samplers(networks: Networks, bundle: Path, spectra: int, samples: int) -> None:
    generator = torch.Generator().manual_seed(1)
    context = torch.randn(spectra, networks.flow.config.context_size, generator=generator)
    noise = 2 * torch.randn(spectra, samples, 5, generator=generator)
    found = Program(bundle / "flow.mlpackage")({"context": context.numpy(), "noise": noise.numpy()})
    theta, log_prob = Sampler(networks.flow)(context, noise)
    assert found["theta"].dtype == found["log_prob"].dtype == np.float32
    np.testing.assert_allclose(found["theta"], theta, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["log_prob"], log_prob, rtol=0, atol=1e-2)


def test_the_manifest_has_the_figures_of_the_gate(bundle: Path) -> None:
    figures = json.loads((bundle / "manifest.json").read_text())["coreml"]
    assert set(figures) == set(coreml.TOLERANCES)
    for name, bound in coreml.TOLERANCES.items():
        assert figures[name]["program"]["largest"] <= bound
    assert "| CoreML log_prob, in float32 |" in (bundle / "README.md").read_text()


def test_packages_of_other_weights_are_refused(run: Path, bundle: Path) -> None:
    """A bias of each network off by a hundredth."""
    networks = load_networks(run, TrainConfig.load(run / "config.toml"))
    with torch.no_grad():
        for part in (networks.encoder, networks.flow, networks.decoder):
            next(reversed(list(part.parameters()))).add_(0.01)
    with pytest.raises(BundleError, match=r"disagree .*context off .*theta off .*log_prob off .*spectrum off"):
        coreml.verify_packages(networks, bundle)


def test_an_operation_that_is_not_known_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, "matmul")
    with pytest.raises(BundleError, match=r"flow\.mlpackage: operations matmul are not known here"):
        Program(bundle / "flow.mlpackage")


def test_a_damaged_package_is_found_by_who_looks_at_packages(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    weights = next(copy.glob("decoder.mlpackage/**/weight.bin"))
    weights.write_bytes(weights.read_bytes()[:-1])
    loaded = load_bundle(copy)
    assert loaded.package("flow") == copy / "flow.mlpackage"
    with pytest.raises(BundleError, match=r"weight\.bin: its sha256 is"):
        loaded.package("decoder")
    verified = CliRunner().invoke(app, ["models", "verify", str(copy)])
    assert verified.exit_code == 1
    assert "weight.bin: its sha256" in verified.output


def test_a_bundle_without_packages_says_so(tiny_bundle: Path) -> None:
    loaded = load_bundle(tiny_bundle)
    assert loaded.packages == ()
    with pytest.raises(BundleError, match=r"has no flow\.mlpackage; export the bundle again, or use --provider cpu"):
        loaded.package("flow")
