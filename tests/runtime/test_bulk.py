"""Samples of many spectra: each by its own context and noise, whatever its company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from xspecnf.backends.base import Float32, Place
from xspecnf.bulk import CHUNK_SPECTRA
from xspecnf.errors import InputError
from xspecnf.features import features
from xspecnf.model import Model, load_model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, to_unit
from xspecnf.sampling import draw_each

LOG_VOLUME = sum(np.log(p.scaled_range) for p in BHB_PARAMETERS)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return load_model(tiny_bundle, "cpu")


@pytest.fixture(scope="module")
def population(synthetic: Observation) -> list[Observation]:
    """The synthetic observation and others of other brightness."""
    rng = np.random.default_rng(3)
    factors = 10 ** rng.uniform(-2, 1, 20)
    return [replace(synthetic, counts=rng.poisson(factor * synthetic.counts).astype(float)) for factor in factors]


def noise(model: Model, obs: Observation, theta: np.ndarray) -> np.ndarray:
    """The noise (S, 5) that the tiny flow, u = sigmoid(centre + 0.3 z), made `theta` of."""
    u = to_unit(theta, BHB_PARAMETERS)
    return (np.log(u / (1 - u)) - model.backend.encode(features(obs)[None])[0]) / 0.3


@pytest.mark.parametrize("samples", [1, 30, 2500])
def test_each_spectrum_is_sampled_by_its_own_context(model: Model, population: list[Observation], samples: int) -> None:
    """Noise recovered with the right context is standard normal, and the density that of the closed form."""
    results = list(model.sample(population, samples))
    z = np.stack([noise(model, obs, theta) for obs, (theta, _) in zip(population, results, strict=True)])
    assert z.shape == (len(population), samples, 5)
    assert z.mean() == pytest.approx(0, abs=5 / np.sqrt(z.size))
    assert z.std() == pytest.approx(1, abs=5 / np.sqrt(z.size))
    for row, (theta, log_prob) in zip(z, results, strict=True):
        u = to_unit(theta, BHB_PARAMETERS)
        expected = -0.5 * row**2 - 0.5 * np.log(2 * np.pi) - np.log(0.3 * u * (1 - u))
        np.testing.assert_allclose(log_prob, expected.sum(axis=1) - LOG_VOLUME, atol=5e-4)


def sampled(model: Model, population: list[Observation], samples: int) -> list[np.ndarray]:
    return [theta for theta, _ in model.sample(population, samples)]


def inferred(model: Model, population: list[Observation], samples: int) -> list[np.ndarray]:
    return [model.infer(obs, samples).theta for obs in population]


@pytest.mark.parametrize("draws", [sampled, inferred])
def test_spectra_have_noise_of_their_own(
    model: Model, population: list[Observation], draws: Callable[[Model, list[Observation], int], list[np.ndarray]]
) -> None:
    results = draws(model, population, 500)
    z = np.stack([noise(model, obs, theta).ravel() for obs, theta in zip(population, results, strict=True)])
    correlation = np.corrcoef(z)[np.triu_indices(len(z), 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(2500)


@pytest.mark.parametrize("samples", [1, 700, 2001])
def test_company_and_order_do_not_matter(model: Model, population: list[Observation], samples: int) -> None:
    together = list(model.sample(population, samples))
    backwards = list(model.sample(population[::-1], samples, threads=1))[::-1]
    for obs, among, other in zip(population, together, backwards, strict=True):
        alone = next(model.sample([obs], samples))
        for result in (among, other):
            np.testing.assert_allclose(result.theta, alone.theta, rtol=1e-5)
            np.testing.assert_allclose(result.log_prob, alone.log_prob, atol=1e-4)


def test_company_does_not_matter_to_the_shipped_model(synthetic: Observation) -> None:
    """Its products round differently among others: by some 1e-5 in theta and log_prob."""
    shipped = load_model(provider="cpu")
    dimmer = [replace(synthetic, counts=np.round(synthetic.counts / k)) for k in range(1, 41)]
    together = list(shipped.sample(dimmer, 1))
    alone = [next(shipped.sample([obs], 1)) for obs in dimmer]
    for among, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(among.theta, single.theta, rtol=1e-3)
        np.testing.assert_allclose(among.log_prob, single.log_prob, atol=1e-3)


def test_threads_change_nothing(model: Model, population: list[Observation]) -> None:
    many = population * 30  # more than a chunk
    for one, three in zip(model.sample(many, 40, threads=1), model.sample(many, 40, threads=3), strict=True):
        np.testing.assert_array_equal(one.theta, three.theta)
        np.testing.assert_array_equal(one.log_prob, three.log_prob)


def test_the_seed_fixes_the_samples(model: Model, population: list[Observation]) -> None:
    first, again, other = (next(model.sample(population, 10, seed)).theta for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_endless_observations_are_taken_as_results_are(model: Model, synthetic: Observation) -> None:
    taken = 0

    def endless() -> Iterator[Observation]:
        nonlocal taken
        while True:
            taken += 1
            yield synthetic

    assert len(list(islice(model.sample(endless(), 1, threads=2), 3 * CHUNK_SPECTRA))) == 3 * CHUNK_SPECTRA
    assert taken <= 6 * CHUNK_SPECTRA


def test_wrong_arguments_are_refused_at_once(model: Model, synthetic: Observation) -> None:
    with pytest.raises(ValueError, match="samples must be at least 1"):
        model.sample([synthetic], 0)
    with pytest.raises(ValueError, match="seed must not be negative"):
        model.sample([synthetic], seed=-1)
    with pytest.raises(ValueError, match="threads must be at least 1"):
        model.sample([synthetic], threads=0)


def test_a_spectrum_without_a_good_bin_is_refused(model: Model, synthetic: Observation) -> None:
    with pytest.raises(InputError, match=r"synthetic\.pha: every bin holds channels of bad quality"):
        next(model.sample([replace(synthetic, good=np.zeros(240, dtype=bool))]))


def test_no_observations_give_no_samples(model: Model) -> None:
    assert list(model.sample([])) == []


class Share:
    """A backend whose context is the share of its draws that fall inside the prior, where they are uniform."""

    provider: Place = "cpu"
    made = 0

    def encode(self, spectrum: Float32) -> Float32:
        return np.zeros((len(spectrum), 1), dtype=np.float32)

    def sample(self, context: Float32, noise: Float32) -> tuple[Float32, Float32]:
        self.made += noise.shape[0] * noise.shape[1]
        rank = (np.argsort(np.argsort(noise, axis=1), axis=1) + 0.5) / noise.shape[1]
        u = rank.astype(np.float32)
        u[..., 4] += 1 - context
        return u, np.zeros(noise.shape[:2], dtype=np.float32)

    def decode(self, theta: Float32) -> Float32:
        return np.zeros((len(theta), 240), dtype=np.float32)


def test_spectra_whose_draws_leave_the_prior_are_drawn_again_alone() -> None:
    shares = np.array([[1.0], [0.25], [0.0]], dtype=np.float32)
    inside, partly, outside = draw_each(Share(), shares, 400, [np.random.default_rng(k) for k in range(3)])
    assert (len(inside.u), len(partly.u), len(outside.u)) == (400, 400, 0)
    assert (inside.acceptance, outside.acceptance) == (1, 0)
    assert partly.acceptance == pytest.approx(0.25, rel=0.01)
    assert partly.u.max() <= 1
    np.testing.assert_allclose(inside.log_q, 0)
    np.testing.assert_allclose(partly.log_q, np.log(4), atol=0.01)


@pytest.mark.parametrize(("share", "most"), [(1.0, 1000), (0.99, 1100), (0.6, 1900)])
def test_no_more_is_drawn_again_than_was_lost(share: float, most: int) -> None:
    backend = Share()
    draws = draw_each(backend, np.array([[share]], dtype=np.float32), 1000, [np.random.default_rng(0)])
    assert len(draws[0].u) == 1000
    assert backend.made <= most
