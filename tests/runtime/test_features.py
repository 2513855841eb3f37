"""The network's input: finite whatever is observed, and the same for the same source seen for longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xspecnf.features import CONSTANT_FEATURES, FEATURES, batch_features, features, filled
from xspecnf.grid import NICER
from xspecnf.observation import Observation, read_observation

WIDTH = NICER.energy_hi - NICER.energy_lo


@pytest.fixture(scope="module")
def obs(example: Path) -> Observation:
    return read_observation(example)


def channels(obs: Observation) -> dict[str, np.ndarray]:
    return dict(zip(FEATURES, features(obs).astype(float), strict=True))


def test_one_spectrum_is_a_batch_of_one(obs: Observation) -> None:
    found = features(obs)
    assert found.shape == (len(FEATURES), 240)
    assert found.dtype == np.float32
    sensitivity = obs.exposure * obs.response.effective_area * WIDTH
    observed = (obs.counts, obs.background, obs.background_error, obs.systematic, obs.good, sensitivity)
    batch = batch_features(*(np.stack([x, x]) for x in observed), width=WIDTH)
    np.testing.assert_array_equal(batch, np.stack([found, found]))


EXTREMES = {
    "nothing": {"counts": np.zeros(240)},
    "nothing but background": {"counts": np.zeros(240), "background": np.full(240, 1e6)},
    "one count": {"counts": np.eye(240)[17]},
    "1e9 counts": {"counts": np.full(240, 1e9 / 240)},
    "1e9 counts in a bin": {"counts": np.eye(240)[0] * 1e9},
    "background above the source": {"background": np.full(240, 1e9), "background_error": np.full(240, 3e4)},
    "negative background": {"background": np.full(240, -50.0)},
    "an unknown background": {"background": np.full(240, 5.0), "background_error": np.full(240, 1e9)},
    "a wide systematic error": {"systematic": np.full(240, 0.99)},
    "a second": {"exposure": 1e-3},
    "no good bin": {"good": np.zeros(240, dtype=bool)},
    "one good bin": {"good": np.arange(240) == 100},
    "no good bin and no counts": {"good": np.zeros(240, dtype=bool), "counts": np.zeros(240)},
}


@pytest.mark.parametrize("case", EXTREMES)
def test_features_are_numbers(obs: Observation, case: str) -> None:
    found = features(replace(obs, **EXTREMES[case]))
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 100


def test_a_longer_exposure_has_the_same_shape_and_smaller_errors(obs: Observation) -> None:
    plain = replace(obs, systematic=np.zeros(240))
    longer = replace(plain, exposure=4 * obs.exposure, counts=4 * obs.counts, background=4 * obs.background)
    once, four = channels(plain), channels(longer)
    for name in ("shape", "log_shape", "log_rate", "background_share", "good"):
        np.testing.assert_allclose(four[name], once[name], atol=2e-4, err_msg=name)
    bright = obs.counts > 1000
    np.testing.assert_allclose((four["log_error"] - once["log_error"])[bright], np.log10(0.5), atol=2e-3)
    np.testing.assert_allclose(four["log_counts"] - once["log_counts"], np.log10(4), atol=1e-5)


def test_another_area_cancels(obs: Observation) -> None:
    """Half the detectors and twice the time: the same counts, the same input."""
    half = replace(obs, response=obs.response.scaled(0.5), exposure=2 * obs.exposure)
    np.testing.assert_allclose(features(half), features(obs), rtol=1e-6, atol=1e-6)


def test_a_brighter_source_differs_in_its_constants(obs: Observation) -> None:
    """Without errors to speak of, the norm moves log_rate and log_counts and nothing else that shows the shape."""
    counts = np.round(obs.counts + 1e7)
    faint, bright = channels(replace(obs, counts=counts)), channels(replace(obs, counts=10 * counts))
    np.testing.assert_allclose(bright["shape"], faint["shape"], atol=1e-5)
    np.testing.assert_allclose(bright["log_shape"], faint["log_shape"], atol=1e-5)
    np.testing.assert_allclose(bright["log_rate"] - faint["log_rate"], np.log(10), atol=1e-5)


def test_total_rate_is_that_of_the_definition(obs: Observation) -> None:
    rate = (obs.counts - obs.background) / (obs.exposure * obs.response.effective_area)  # photons/cm^2/s
    found = channels(replace(obs, good=np.ones(240, dtype=bool)))
    assert np.exp(found["log_rate"][0]) == pytest.approx(rate.sum(), rel=1e-5)
    np.testing.assert_allclose(np.exp(found["log_shape"]) * np.exp(found["log_rate"]) * WIDTH, rate, rtol=1e-4)
    for name in CONSTANT_FEATURES:
        assert np.ptp(found[name]) == 0


def test_what_bad_bins_hold_does_not_matter(obs: Observation) -> None:
    good = (np.arange(240) < 60) | (np.arange(240) > 75)
    spoilt = replace(
        obs,
        good=good,
        counts=np.where(good, obs.counts, 1e8),
        background_error=np.where(good, obs.background_error, 1e5),
    )
    once, again = channels(replace(obs, good=good)), channels(spoilt)
    for name in ("shape", "log_shape", "signal_to_noise", "log_error", "good", *CONSTANT_FEATURES):
        np.testing.assert_allclose(again[name], once[name], atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(once["good"], good)


def test_bad_bins_are_filled_by_their_neighbours() -> None:
    values = np.array([[9.0, 1.0, 9.0, 9.0, 4.0, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [9.0] * 6])
    good = np.array([[0, 1, 0, 0, 1, 0], [1] * 6, [0] * 6], dtype=bool)
    expected = [[1, 1, 2, 3, 4, 4], [1, 2, 3, 4, 5, 6], [9] * 6]
    np.testing.assert_allclose(filled(values, good), expected)
    assert values[0, 0] == 9  # the caller's array stays
