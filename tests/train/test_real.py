"""Stage three's bookkeeping: which files are spectra, labels, the split by observation id, batches."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xspecnf import load_model
from xspecnf.bestfit import fit
from xspecnf.errors import InputError
from xspecnf.model import Model
from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import to_unit
from xspecnf_train.config import RealConfig
from xspecnf_train.labels import label_spectra, labels_of
from xspecnf_train.real import RealFiles, RealSet, hold_out, observation_id

CONFIG = RealConfig(epochs=1, labels=1000)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def obs(example: Path) -> Observation:
    return read_observation(example)


def silent(_: str) -> None:
    pass


def test_posterior_labels_are_draws_of_the_refined_posterior(model: Model, obs: Observation) -> None:
    """Every label has the same weight, so plain means and deviations are those of the weighted samples."""
    labels = labels_of(model.backend, obs, CONFIG, np.random.default_rng(1))
    refined = model.infer(obs, 4000, seed=2, refine=True)
    u = to_unit(refined.theta)
    mean = refined.weights @ u
    sigma = np.sqrt(refined.weights @ (u - mean) ** 2)
    assert labels.shape == (1000, 5)
    np.testing.assert_array_less(np.abs(labels.mean(axis=0) - mean), 0.2 * sigma)
    np.testing.assert_allclose(labels.std(axis=0), sigma, rtol=0.15)


def test_the_fit_label_is_the_best_fit(model: Model, obs: Observation) -> None:
    labels = labels_of(model.backend, obs, replace(CONFIG, label="fit"), np.random.default_rng(1))
    assert labels.shape == (1, 5)
    best = fit(obs)
    np.testing.assert_allclose(labels[0], best.u, atol=0.05 * best.sigma.min())


def test_a_spectrum_that_cannot_be_labelled_is_reported_and_left_out(model: Model, obs: Observation) -> None:
    hopeless = replace(obs, name="hopeless.pha", good=np.zeros_like(obs.good))
    reports: list[str] = []
    config, rng = replace(CONFIG, label="fit"), np.random.default_rng(0)
    kept, labels = label_spectra(model.backend, [hopeless, obs], config, rng, reports.append)
    assert [o.name for o in kept] == [obs.name]
    assert labels.shape == (1, 1, 5)
    assert any("left out: hopeless.pha" in report for report in reports)
    with pytest.raises(InputError, match="none of 1 real spectra could be labelled"):
        label_spectra(model.backend, [hopeless], config, rng, silent)


def test_backgrounds_and_what_cannot_be_read_are_no_spectra(example: Path, tmp_path: Path) -> None:
    for source in (example, *example.parent.glob(f"{example.stem}.*")):
        shutil.copy(source, tmp_path / source.name)
    shutil.copy(example, tmp_path / f"{example.stem}_bg.pha")
    (tmp_path / "broken.pha").write_text("not FITS")
    reports: list[str] = []
    read = RealFiles(tmp_path).read(0.015, None, reports.append)
    assert [o.name for o in read] == [example.name]
    assert len(reports) == 1
    assert reports[0].startswith("left out: ")
    assert "broken.pha" in reports[0]


def test_a_folder_without_spectra_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable spectrum among 0 files"):
        RealFiles(tmp_path).read(None, None, silent)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("js_ni1050360113_0mpu7_silver_GTI0.jsgrp", "1050360113"),
        ("folder/ni1200120106mpu7_sr.pha", "1200120106"),
        ("source_a.pha.gz", "source_a"),
    ],
)
def test_observation_id(name: str, expected: str) -> None:
    assert observation_id(name) == expected


def test_an_observation_is_never_on_both_sides() -> None:
    names = [f"js_ni{1050360100 + k // 4}_GTI{k % 4}.jsgrp" for k in range(40)]
    held = hold_out(names, 0.2, np.random.default_rng(0))
    ids = np.array([observation_id(name) for name in names])
    assert not set(ids[held]) & set(ids[~held])
    assert len(set(ids[held])) == 2


def test_one_observation_cannot_be_split() -> None:
    with pytest.raises(InputError, match="two observation ids"):
        hold_out(["js_ni1050360100_GTI0.jsgrp", "js_ni1050360100_GTI1.jsgrp"], 0.5, np.random.default_rng(0))


def test_batches_come_from_their_side() -> None:
    spectrum = torch.arange(6.0)[:, None, None].expand(6, 10, 240)
    labels = torch.arange(6.0)[:, None, None].expand(6, 3, 5)
    real = RealSet(spectrum, labels, np.array([True, False, False, True, False, False]))
    drawn, u = real.draw(50, held_out=True, rng=np.random.default_rng(0))
    assert set(drawn[:, 0, 0].tolist()) == {0.0, 3.0}
    assert torch.equal(drawn[:, 0, 0], u[:, 0])
