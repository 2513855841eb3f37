"""The examples of docs/embedding.md give what xspecnf gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xspecnf
from xspecnf.features import features
from xspecnf.parameters import from_unit
from xspecnf.sampling import draw

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with spectrum.json and bundle/, written by the page's first block."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[0], "embedding.md", "exec"), {})


@pytest.fixture(scope="module")
def model() -> xspecnf.Model:
    return xspecnf.load_model(provider="cpu")


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("bad", [[], [0, 100, 101, 239]])
def test_python(model: xspecnf.Model, example: Path, bad: list[int]) -> None:
    """To float32's rounding; also with bins that are not good, at the ends and inside."""
    obs = xspecnf.read_observation(example)
    obs.good[bad] = False
    spectrum = json.loads(Path("spectrum.json").read_text())
    Path("spectrum.json").write_text(json.dumps(spectrum | {"good": obs.good.tolist()}))
    source = blocks("python")[1]
    assert "xspecnf" not in source
    names: dict[str, Any] = {}
    exec(compile(source, "embedding.md", "exec"), names)
    np.testing.assert_array_equal(names["channels"](names["spectrum"]), features(obs))
    expected = draw(model.backend, model.backend.encode(features(obs)[None])[0], 1000, np.random.default_rng(0))
    kept = len(names["theta"])
    assert kept > 900
    np.testing.assert_allclose(names["theta"], from_unit(expected.u[:kept]), rtol=1e-3)
    np.testing.assert_allclose(names["log_prob"], expected.log_q[:kept], atol=0.05)


@pytest.mark.usefixtures("prepared")
def test_node(model: xspecnf.Model, example: Path, tmp_path: Path) -> None:
    """The context to float32's rounding; medians, whose noise is its own, within five standard errors."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if subprocess.run(["node", "-e", "require('onnxruntime-node')"], capture_output=True, check=False).returncode:
        pytest.skip("node finds no onnxruntime-node: npm install it, and set NODE_PATH to its node_modules")
    (script,) = blocks("js")
    (tmp_path / "infer.cjs").write_text(script)
    done = subprocess.run(["node", "infer.cjs"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    context = model.backend.encode(features(xspecnf.read_observation(example))[None])[0]
    np.testing.assert_allclose(found["context"], context, rtol=1e-4, atol=1e-4)
    theirs = np.log(found["theta"])
    ours = np.log(from_unit(draw(model.backend, context, 1000, np.random.default_rng(1)).u))
    error = 1.25 * ours.std(axis=0) * np.sqrt(1 / len(ours) + 1 / len(theirs))
    assert np.all(np.abs(np.median(theirs, axis=0) - np.median(ours, axis=0)) < 5 * error)
