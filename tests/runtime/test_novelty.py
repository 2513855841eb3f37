"""The novelty score: p-values uniform for contexts like the sample's, small for others; bundles with and without it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError
from xspecnf.features import features
from xspecnf.model import load_model
from xspecnf.novelty import Novelty
from xspecnf.observation import Observation


def contexts(size: int, rng: np.random.Generator) -> np.ndarray:
    """A curved line in five dimensions, with a little scatter."""
    t = rng.uniform(-1, 1, size)
    line = np.stack([t, t**2, np.sin(3 * t), np.cos(3 * t), 0 * t], axis=1)
    return (line + 0.02 * rng.standard_normal((size, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    rng = np.random.default_rng(0)
    return Novelty.learn(contexts(1000, rng), contexts(500, rng))


def test_p_values_are_uniform_for_more_of_the_same(novelty: Novelty) -> None:
    p = np.sort([novelty.p_value(c) for c in contexts(400, np.random.default_rng(1))])
    assert np.abs(p - (np.arange(400) + 0.5) / 400).max() < 0.13


def test_off_the_curve_is_new_though_inside_the_ellipsoid(novelty: Novelty) -> None:
    """The curve's own mean lies on none of it."""
    assert novelty.p_value(novelty.mean) == pytest.approx(1 / 501)


def test_distances_do_not_depend_on_units(novelty: Novelty) -> None:
    rng = np.random.default_rng(0)
    stretch = np.array([1, 3, 20, 0.5, 1], dtype=np.float32)
    stretched = Novelty.learn(contexts(1000, rng) * stretch, contexts(500, rng) * stretch)
    for context in contexts(20, np.random.default_rng(2)):
        assert stretched.distance(context * stretch) == pytest.approx(novelty.distance(context), rel=0.03, abs=0.01)


def test_what_is_saved_is_loaded(novelty: Novelty, tmp_path: Path) -> None:
    novelty.save(tmp_path / "novelty.npz")
    again = Novelty.load(tmp_path / "novelty.npz")
    for context in contexts(5, np.random.default_rng(3)):
        assert again.distance(context) == pytest.approx(novelty.distance(context), rel=1e-6)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "novelty.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(BundleError, match=r"novelty\.npz"):
        Novelty.load(path)
    np.savez(path, mean=np.zeros(3), whitening=np.eye(2), sample=np.zeros((1, 3)), distances=np.zeros(1))
    with pytest.raises(BundleError, match="disagree"):
        Novelty.load(path)


def test_a_bundle_without_it_infers_and_says_nothing(tiny_bundle: Path, synthetic: Observation) -> None:
    diagnostics = load_model(tiny_bundle, "cpu").infer(synthetic, 20).diagnostics
    assert diagnostics.novelty is None
    assert "unlike-training" not in [flag.name for flag in diagnostics.flags]


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_bundle_with_it_raises_the_flag(
    tiny_bundle: Path, synthetic: Observation, tmp_path: Path, shift: float
) -> None:
    """Contexts about the observation's own, or a whole unit away from it."""
    own = load_model(tiny_bundle, "cpu").backend.encode(features(synthetic)[None])[0]
    rng = np.random.default_rng(4)
    near = [own + shift + 0.01 * rng.standard_normal((2000, 5)).astype(np.float32) for _ in range(2)]
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    Novelty.learn(*near).save(folder / "novelty.npz")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["novelty.npz"] = hashlib.sha256((folder / "novelty.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert load_bundle(folder).novelty is not None
    diagnostics = load_model(folder, "cpu").infer(synthetic, 20).diagnostics
    assert diagnostics.novelty is not None
    assert (diagnostics.novelty < 0.001) == (shift > 0)
    assert ("unlike-training" in [flag.name for flag in diagnostics.flags]) == (shift > 0)
