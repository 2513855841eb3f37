"""Files that are written say the same as the posterior in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from xspecnf.formats.json import record
from xspecnf.model import load_model
from xspecnf.observation import Observation
from xspecnf.posterior import Posterior


@pytest.fixture(scope="module")
def post(tiny_bundle: Path, synthetic: Observation) -> Posterior:
    return load_model(tiny_bundle, "cpu").infer(synthetic, samples=50, seed=3)


def test_csv_holds_every_sample_exactly(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "chain.csv")
    table = np.genfromtxt(tmp_path / "chain.csv", delimiter=",", names=True)
    assert table.dtype.names == (*post.names, "log_prob", "weight")
    for name, column in zip(post.names, post.theta.T, strict=True):
        np.testing.assert_array_equal(table[name], column)
    np.testing.assert_array_equal(table["log_prob"], post.log_prob)
    np.testing.assert_array_equal(table["weight"], post.weights)


def test_json_holds_summary_and_chain(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "post.JSON")
    content = json.loads((tmp_path / "post.JSON").read_text())
    np.testing.assert_array_equal(content["chain"]["theta"], post.theta)
    assert content["parameters"]["nH"]["median"] == post.summary()["nH"].median
    assert content["fit"]["value"] == post.fit.value
    assert content["diagnostics"]["ess"] is None


def test_the_record_has_the_documented_keys(post: Posterior) -> None:
    written = record(post, ["a.csv"])
    assert {"file", "model", "samples", "seed", "parameters", "fit"} <= set(written)
    assert {"diagnostics", "outputs", "seconds"} <= set(written)
    assert {"median", "q16", "q84", "mean", "std", "unit"} == set(written["parameters"]["norm"])
    assert {"statistic", "value", "dof", "reduced", "bins", "counts"} <= set(written["fit"])
    assert {"ess", "efficiency", "log_evidence", "verdict", "flags"} <= set(written["diagnostics"])
    json.dumps(written, allow_nan=False)


def test_an_unknown_suffix_names_the_known_ones(post: Posterior, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.txt'; use one of \.json, \.csv"):
        post.save(tmp_path / "post.txt")
    assert list(tmp_path.iterdir()) == []
