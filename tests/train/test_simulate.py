"""The simulator: seeds, the prior, what NICER can see, and counts that follow the likelihood they are judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xspecnf.errors import InputError
from xspecnf.features import features
from xspecnf.grid import NICER
from xspecnf.observation import read_observation
from xspecnf.parameters import from_unit
from xspecnf.physics import MODEL_EDGES, expected_counts, photons
from xspecnf.response import Response
from xspecnf.statistics import pgstat
from xspecnf_train.simulate import ARRAYS, Batch, Simulator, SimulatorConfig

POOL = 4000
WIDTH = NICER.energy_hi - NICER.energy_lo


@pytest.fixture(scope="module")
def response(example: Path) -> Response:
    return read_observation(example).response


@pytest.fixture(scope="module")
def simulator(response: Response) -> Simulator:
    return Simulator(SimulatorConfig(pool=POOL), response, seed=3)


@pytest.fixture(scope="module")
def batch(simulator: Simulator) -> Batch:
    return simulator.draw(1500, np.random.default_rng(0))


@pytest.fixture(scope="module")
def source(batch: Batch, response: Response) -> np.ndarray:
    """Exact expected counts (B, 240) of the sources alone."""
    counts = response.rebinned(MODEL_EDGES).fold(photons(from_unit(batch.u), MODEL_EDGES))
    return counts * batch.sensitivity / (WIDTH * response.effective_area)


def test_the_seed_decides(response: Response, simulator: Simulator) -> None:
    again = Simulator(SimulatorConfig(pool=POOL), response, seed=3)
    other = Simulator(SimulatorConfig(pool=POOL), response, seed=4)
    np.testing.assert_array_equal(again.u, simulator.u)
    assert not np.array_equal(other.u, simulator.u)
    first, second = (s.draw(20, np.random.default_rng(7)) for s in (simulator, again))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name), err_msg=name)
    assert not np.array_equal(simulator.draw(20, np.random.default_rng(8)).counts, first.counts)


def test_a_batch_is_what_an_observation_may_be(batch: Batch, response: Response) -> None:
    for values in (getattr(batch, name) for name in ARRAYS):
        assert np.isfinite(values).all()
        assert values.min() >= 0
    np.testing.assert_array_equal(batch.counts, np.round(batch.counts))
    assert batch.u.shape == (1500, 5)
    assert batch.u.max() <= 1
    assert batch.good.any(axis=1).all()
    assert batch.good.all(axis=1).mean() == pytest.approx(0.9, abs=0.03)
    assert sum(1 for _ in batch.observations(response)) == 1500


def test_features_are_numbers(batch: Batch) -> None:
    spectrum = batch.features()
    assert spectrum.dtype == np.float32
    assert np.isfinite(spectrum).all()


def test_the_prior_is_uniform_where_every_source_is_seen(response: Response) -> None:
    """With counts of any number taken, nothing cuts the cube."""
    wide = SimulatorConfig(pool=20_000, counts=(1e-40, 1e20), rate_max=1e20)
    u, _ = Simulator(wide, response, seed=1).draw_spectra(8000, np.random.default_rng(2))
    for column in u.T:
        found = np.sort(column)
        distance = np.abs(found - (np.arange(len(found)) + 0.5) / len(found)).max()  # Kolmogorov and Smirnov
        assert distance < 1.95 / np.sqrt(len(found))  # 0.1 %


def test_norm_is_uniform_over_what_is_seen(response: Response) -> None:
    """Given the others, log norm is uniform between the visible ends: so is the log of the counts of one shape."""
    only = SimulatorConfig(pool=1, exposure=(1000, 1000), counts=(1e3, 1e6), rate_max=1e9)
    u, _ = Simulator(only, response, seed=5).draw_spectra(4000, np.random.default_rng(1))
    share = np.sort((u[:, 4] - u[:, 4].min()) / np.ptp(u[:, 4]))
    assert np.ptp(u[:, 4]) == pytest.approx(3 / 12, abs=1e-3)
    assert np.abs(share - np.linspace(0, 1, len(share))).max() < 1.95 / np.sqrt(len(share))


def test_sources_are_such_that_nicer_can_see(batch: Batch, source: np.ndarray, response: Response) -> None:
    """Up to the detectors (40 .. 52 of 50) and the area's distortion, which come after the choice."""
    config = SimulatorConfig()
    total = source.sum(axis=1)
    assert total.min() > 0.7 * config.counts[0]
    assert total.max() < 1.15 * config.counts[1]
    exposure = np.median(batch.sensitivity / (WIDTH * response.effective_area), axis=1)
    assert exposure.min() > 0.75 * config.exposure[0]
    assert np.all(total < 1.4 * config.rate_max * exposure)
    assert np.histogram(np.log10(total), [1, 3, 5, 8.1])[0].min() > 50


def test_counts_are_those_of_the_exact_physics(batch: Batch, source: np.ndarray) -> None:
    """Observed minus expected, in units of its deviation, has mean zero and deviation one."""
    expected = source + batch.background
    variance = expected + batch.background_error**2 + (batch.systematic * source) ** 2
    pull = ((batch.counts - expected) / np.sqrt(variance))[expected > 30]
    assert pull.mean() == pytest.approx(0, abs=5 / np.sqrt(len(pull)))
    assert pull.std() == pytest.approx(1, abs=0.03)


def test_the_truth_is_as_likely_as_it_should_be(batch: Batch, source: np.ndarray) -> None:
    """PGSTAT of the true parameters, without the variance's logarithm, is near the number of bins."""
    bright = (source.sum(axis=1) > 1e5) & (batch.systematic.max(axis=1) == 0)
    assert bright.sum() > 100
    rows = (batch.counts, source, batch.background, batch.background_error)
    statistic = pgstat(*(x[bright] for x in rows))
    assert statistic.mean() / 240 == pytest.approx(1, abs=0.03)


def test_noise_free_spectra_are_the_physics(simulator: Simulator, response: Response) -> None:
    """log10 of the folded rate per keV and effective area, and the ln of its sum for unit norm."""
    u, log_rate = simulator.draw_spectra(50, np.random.default_rng(3))
    counts = response.rebinned(MODEL_EDGES).fold(photons(from_unit(u), MODEL_EDGES))
    exact = np.log10(counts / (response.effective_area * WIDTH))
    seen = exact > exact.max(axis=1, keepdims=True) - 6
    np.testing.assert_allclose(log_rate[seen], exact[seen], atol=1e-3)
    u, ln_total = simulator.draw_totals(50, np.random.default_rng(3))
    unit = from_unit(u) * [1, 1, 1, 1, 0] + [0, 0, 0, 0, 1]
    rate = response.rebinned(MODEL_EDGES).fold(photons(unit, MODEL_EDGES)) / response.effective_area
    np.testing.assert_allclose(ln_total, np.log(rate.sum(axis=1)), atol=1e-3)


def test_observations_are_the_batch(batch: Batch, source: np.ndarray, response: Response) -> None:
    spectrum = batch.features()
    for k, obs in zip(range(5), batch.observations(response), strict=False):
        np.testing.assert_allclose(features(obs), spectrum[k], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(expected_counts(from_unit(batch.u[k : k + 1]), obs)[0], source[k], rtol=1e-9)


def test_a_gain_error_moves_the_spectrum_along_the_energies(response: Response) -> None:
    still = Simulator(SimulatorConfig(pool=POOL), response, seed=3)
    shifted = Simulator(SimulatorConfig(pool=POOL, gain_scatter=0.03), response, seed=3)
    edge = np.tanh((np.log(NICER.energy_lo + WIDTH / 2) - np.log(3.0)) / 0.05)[None].repeat(400, axis=0)
    rng = np.random.default_rng(1)
    assert np.array_equal(still._with_gain(edge, rng), edge)
    crossing = [np.interp(0, row, NICER.energy_lo + WIDTH / 2) for row in shifted._with_gain(edge, rng)]
    assert np.std(np.log(crossing)) == pytest.approx(0.03, rel=0.2)


def test_nothing_visible_is_said(response: Response) -> None:
    blind = Simulator(SimulatorConfig(pool=50, counts=(1e5, 2e5), rate_max=1.0), response, seed=3)
    with pytest.raises(InputError, match="widen"):
        blind.draw(5, np.random.default_rng(0))


def test_a_batch_of_none_is_empty(simulator: Simulator) -> None:
    assert simulator.draw(0, np.random.default_rng(0)).features().shape == (0, 10, 240)
