"""The model card's figures are those of an evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from xspecnf import load_model
from xspecnf_export import export
from xspecnf_export.card import model_card
from xspecnf_train.evaluate import Sizes, evaluate


@pytest.fixture(scope="module")
def manifest(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a bundle whose run was evaluated: one number and a curve."""
    copy = shutil.copytree(run, tmp_path_factory.mktemp("card") / "run")
    (copy / "metrics.json").write_text('{"coverage": 0.68, "plots": {"levels": [0.1]}}')
    bundle = export(copy, copy.with_name("bundle"), coreml=False)
    return json.loads((bundle / "manifest.json").read_text())


def test_the_card_shows_an_evaluation(manifest: dict[str, Any], tiny_bundle: Path) -> None:
    figures = evaluate(load_model(tiny_bundle, "cpu"), Sizes(20, 20, 3, 0), report=lambda _: None)
    card = model_card(manifest | {"metrics": figures})
    found = figures["network"]["all"]["coverage"]["marginal"]
    assert f"| **all** | 20 | {found['max']:.3f} (" in card
    assert "`xspecnf evaluate tiny --spectra 20 --samples 20 --exact 3 --refined 0 --seed 1`" in card


def test_a_bundle_that_was_not_measured_says_so(manifest: dict[str, Any]) -> None:
    assert "Nothing was measured" in model_card(manifest | {"metrics": {}})


def test_curves_for_plots_stay_out_of_the_bundle(manifest: dict[str, Any]) -> None:
    assert manifest["metrics"] == {"coverage": 0.68}
