"""Export end to end: the bundle loads, says what it is, and is refused or left alone when something is wrong."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch

from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError, InputError
from xspecnf_export import export
from xspecnf_export.bundle import load_networks
from xspecnf_export.onnx import write_graphs
from xspecnf_export.verify import Difference, verify
from xspecnf_train.config import TrainConfig


def test_exported_bundle_loads(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.name == "small-bundle"
    assert loaded.metrics == {"coverage": {"1e3-1e4": 0.68}}
    assert loaded.reference_response.name.startswith("flat")
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_manifest_names_every_file_and_the_differences(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(manifest["files"]) | {"manifest.json"} == found
    assert manifest["verification"]["rebuilt_theta"]["largest"] < 1e-9
    assert manifest["provenance"]["configuration"]["flow"]["num_bins"] == 6
    assert manifest["tensors"]["flow"]["inputs"]["noise"] == ["B", "S", 5]


def test_graphs_hold_no_paths_and_load_in_old_runtimes(bundle: Path) -> None:
    for graph in bundle.glob("*.onnx"):
        model = onnx.load(graph)
        assert model.ir_version <= 9
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
        assert not any(node.doc_string for node in model.graph.node)
        assert str(Path(__file__).parents[2]).encode() not in graph.read_bytes()


def test_the_reference_of_contexts_is_the_encoders_own(bundle: Path) -> None:
    """Spectra of the run's simulator are like it; its sums are among the manifest's."""
    loaded = load_bundle(bundle)
    novelty = loaded.novelty
    assert novelty is not None
    assert "novelty.npz" in loaded.files
    assert (len(novelty.sample), len(novelty.distances)) == (100, 50)
    assert novelty.sample.std() == pytest.approx(1, abs=0.1)


def test_weights_are_checked_when_they_are_asked_for(run: Path, bundle: Path, tmp_path: Path) -> None:
    assert load_bundle(bundle).weights().read_bytes() == (run / "weights.safetensors").read_bytes()
    shutil.copytree(bundle, tmp_path / "copy")
    with (tmp_path / "copy" / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    damaged = load_bundle(tmp_path / "copy")
    with pytest.raises(BundleError, match="altered or cut off"):
        damaged.weights()


def test_model_card_shows_the_figures(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    assert "- coverage:\n  - 1e3-1e4: 0.68" in card
    assert "| kT_disk | ezdiskbb.T_max | keV | 0.025 .. 4 | uniform, log10 |" in card


def test_a_bundle_is_replaced_and_another_folder_is_not(run: Path, bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "stale.txt").write_text("of an earlier export")
    export(run, copy, name="renamed", coreml=False)
    assert load_bundle(copy).name == "renamed"
    assert not (copy / "stale.txt").exists()
    (copy / "manifest.json").unlink()
    with pytest.raises(BundleError, match="is no bundle"):
        export(run, copy, coreml=False)


def test_what_a_killed_export_left_is_removed(run: Path, tmp_path: Path) -> None:
    left = tmp_path / ".copy.export" / "scratch" / "new"
    left.mkdir(parents=True)
    (left / "flow.onnx").write_text("half a graph")
    export(run, tmp_path / "copy", coreml=False)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_unfinished_run_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "config.toml", tmp_path)
    with pytest.raises(InputError, match=r"weights\.safetensors: no weights"):
        export(tmp_path, tmp_path / "bundle")


def test_weights_of_another_configuration_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("num_bins = 6", "num_bins = 7"))
    with pytest.raises(InputError, match="not the weights of"):
        export(tmp_path / "run", tmp_path / "bundle")


@pytest.mark.parametrize("part", ["encoder", "flow", "decoder"])
def test_graphs_of_other_weights_are_refused(run: Path, tmp_path: Path, part: str) -> None:
    """A bias that is off by a hundredth is enough to be caught."""
    networks = load_networks(run, TrainConfig.load(run / "config.toml"))
    write_graphs(networks, tmp_path)
    verify(networks, tmp_path)
    with torch.no_grad():
        next(reversed(list(getattr(networks, part).parameters()))).add_(0.01)
    with pytest.raises(BundleError, match="disagree"):
        verify(networks, tmp_path)


def test_a_number_on_one_side_only_is_infinitely_far() -> None:
    difference = Difference.between(torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([1.0, 2.0, 3.0]))
    assert (difference.median, difference.largest) == (0.0, float("inf"))
