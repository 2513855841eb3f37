"""A bundle is refused, with a sentence that says why, unless every byte of it is as the manifest says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xspecnf.bundle import GRAPHS, WEIGHTS_FILE, find_bundle, load_bundle, shipped_bundles
from xspecnf.errors import BundleError
from xspecnf.grid import NICER
from xspecnf.parameters import BHB_PARAMETERS


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "copy")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_sound_bundle_gives_its_manifest(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    assert (bundle.name, bundle.version, bundle.instrument) == ("tiny", "0.0.1", "NICER")
    assert bundle.parameters == BHB_PARAMETERS
    assert bundle.grid == NICER
    assert bundle.reference_response.matrix.shape[1] == NICER.bins
    assert bundle.reference_response is bundle.reference_response


@pytest.mark.parametrize("name", ["encoder.onnx", "flow.onnx", "decoder.onnx", "response.npz"])
def test_one_changed_byte_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name}: its sha256 is .* altered"):
        load_bundle(copy)


def test_a_missing_file_is_found(copy: Path) -> None:
    (copy / "flow.onnx").unlink()
    with pytest.raises(BundleError, match=r"flow.onnx: cannot be read"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema=2), "manifest schema 2"),
        (lambda m: m.pop("schema"), "manifest schema None"),
        (lambda m: m.pop("parameters"), "no field parameters"),
        (lambda m: m["files"].pop("flow.onnx"), "lists no flow.onnx"),
        (lambda m: m["files"].update({"../other": "0"}), "outside the bundle"),
        (lambda m: m["files"].update({"/etc/hostname": "0"}), "outside the bundle"),
        (lambda m: m["parameters"][0].update(high=80.0), "other parameters or bounds"),
        (lambda m: m["parameters"][0].update(colour="red"), "malformed"),
        (lambda m: m.update(inputs=["rate"]), "input channels"),
        (lambda m: m.update(files=3), "malformed"),
        (lambda m: m["grid"].update(bins=0), "grid"),
    ],
)
def test_a_manifest_that_promises_something_else_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(copy, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_manifest_that_is_no_json_object_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(copy)


def test_a_link_out_of_the_bundle_is_refused(copy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.onnx"
    (copy / "flow.onnx").rename(elsewhere)
    (copy / "flow.onnx").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="outside the bundle"):
        load_bundle(copy)


def test_an_unknown_name_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"neither a shipped model .* nor a folder"):
        find_bundle("no-such-model")
    with pytest.raises(BundleError, match=r"manifest\.json"):
        find_bundle(tmp_path)


def test_a_bundle_without_weights_says_so(tiny_bundle: Path, copy: Path) -> None:
    with pytest.raises(BundleError, match=r"weights\.safetensors: was not exported"):
        load_bundle(tiny_bundle).weights()
    edit(copy, lambda manifest: manifest["files"].update({WEIGHTS_FILE: "0" * 64}))
    with pytest.raises(BundleError, match=r"weights\.safetensors: is not here, since installed bundles come without"):
        load_bundle(copy).weights()


def test_shipped_bundles_are_sound() -> None:
    for name in shipped_bundles():
        bundle = load_bundle(name)
        assert bundle.name == name
        assert [bundle.package(graph).name for graph in bundle.packages] == [f"{graph}.mlpackage" for graph in GRAPHS]


def test_shipped_bundles_leave_the_wheel_below_25_megabytes() -> None:
    """Packages for CoreML included, weights for training not, before they are packed; what else ships takes three."""
    files = (path for folder in shipped_bundles().values() for path in folder.rglob("*") if path.is_file())
    assert 0 < sum(path.stat().st_size for path in files if path.name != WEIGHTS_FILE) < 22e6
