"""From an observation to a posterior, with a flow whose density is known in closed form."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xspecnf import physics
from xspecnf.backends.base import Place
from xspecnf.backends.onnx import OnnxBackend
from xspecnf.bundle import load_bundle
from xspecnf.errors import BundleError, InputError
from xspecnf.goodness import goodness
from xspecnf.likelihood import fit_statistic, log_likelihood
from xspecnf.model import Model, load_model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, to_unit
from xspecnf.pareto import smooth
from xspecnf.sampling import Draws, draw, joined
from xspecnf.statistics import pgstat

TRUTH = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return load_model(tiny_bundle, "cpu")


class Shifted:
    """A backend of known density: uniform on 0 .. 1 in every coordinate but the last, which is so on 0.5 .. 1.5."""

    provider: Place = "cpu"

    def encode(self, spectrum: np.ndarray) -> np.ndarray:
        return np.zeros((len(spectrum), 2), dtype=np.float32)

    def sample(self, context: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = (np.argsort(np.argsort(noise, axis=1), axis=1) + 0.5) / noise.shape[1]
        u[..., 4] += 0.5
        return u.astype(np.float32), np.zeros(noise.shape[:2], dtype=np.float32)

    def decode(self, theta: np.ndarray) -> np.ndarray:
        return np.zeros((len(theta), 240), dtype=np.float32)


class Outside(Shifted):
    """A backend that never finds the prior."""

    def sample(self, context: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, log_prob = super().sample(context, noise)
        return u + 5, log_prob


class Late(Shifted):
    """A backend whose first, small draws all miss the prior."""

    def sample(self, context: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, log_prob = super().sample(context, noise)
        return (u + 5 if noise.shape[1] < 200 else u), log_prob


def test_the_same_seed_gives_the_same_samples(model: Model, synthetic: Observation) -> None:
    first, again = model.infer(synthetic, 100, seed=7), model.infer(synthetic, 100, seed=7)
    np.testing.assert_array_equal(first.theta, again.theta)
    np.testing.assert_array_equal(first.log_prob, again.log_prob)
    assert not np.array_equal(first.theta, model.infer(synthetic, 100, seed=8).theta)


@pytest.mark.parametrize("samples", [1, 2, 1999, 4001])
def test_as_many_samples_as_asked(model: Model, synthetic: Observation, samples: int) -> None:
    post = model.infer(synthetic, samples)
    assert post.theta.shape == (samples, 5)
    assert post.log_prob.shape == post.weights.shape == (samples,)


@pytest.mark.parametrize("samples", [0, -1])
def test_no_samples_is_an_error(model: Model, synthetic: Observation, samples: int) -> None:
    with pytest.raises(ValueError, match="samples must be at least 1"):
        model.infer(synthetic, samples)


def test_log_prob_is_the_density_in_the_scaled_parameters(model: Model, synthetic: Observation) -> None:
    """Against the closed form of the tiny flow: a logit-normal in u, divided by the volume of the scaled prior."""
    post = model.infer(synthetic, 500)
    u = to_unit(post.theta, BHB_PARAMETERS)
    logit = np.log(u / (1 - u))
    centre = model.backend.encode(_spectrum(synthetic))[0]
    log_u = -0.5 * ((logit - centre) / 0.3) ** 2 - 0.5 * np.log(2 * np.pi) - np.log(0.3 * u * (1 - u))
    volume = np.prod([p.scaled_range for p in BHB_PARAMETERS])
    np.testing.assert_allclose(post.log_prob, log_u.sum(axis=1) - np.log(volume), atol=2e-4)


def test_draws_outside_the_prior_are_replaced(synthetic: Observation) -> None:
    draws = draw(Shifted(), np.zeros(2, dtype=np.float32), 1000, np.random.default_rng(0))
    assert draws.u.shape == (1000, 5)
    assert draws.u.max() <= 1
    assert draws.acceptance == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(draws.log_q, np.log(2), atol=0.02)


def test_draws_made_apart_are_one_draw_with_one_acceptance() -> None:
    """Those count that found nothing, and those inside that were more than asked for."""
    parts = [
        Draws(np.zeros((size, 5)), np.full(size, -np.log(kept / made)), made, kept)
        for size, made, kept in ((30, 60, 30), (50, 240, 60))
    ]
    both = joined([*parts, Draws(np.empty((0, 5)), np.empty(0), 100, 0)])
    assert len(both.u) == 80
    assert both.acceptance == pytest.approx(90 / 400)
    assert both.log_acceptance_error == pytest.approx(np.sqrt((1 - 90 / 400) / 90))
    np.testing.assert_allclose(both.log_q, -np.log(both.acceptance))


def test_a_network_that_never_finds_the_prior_is_an_error(tiny_bundle: Path, synthetic: Observation) -> None:
    with pytest.raises(InputError, match=r"synthetic\.pha: the network finds no parameters inside the prior"):
        Model(load_bundle(tiny_bundle), Outside()).infer(synthetic, 10)


def test_first_draws_that_all_miss_the_prior_are_made_up_for(tiny_bundle: Path, synthetic: Observation) -> None:
    """Others are looked at in their place, and they count in the acceptance."""
    post = Model(load_bundle(tiny_bundle), Late()).infer(synthetic, 1000)
    assert post.fit.best > 0
    assert post.diagnostics.predictive is not None
    assert post.diagnostics.acceptance < 0.4
    assert "outside-prior" in [flag.name for flag in post.diagnostics.flags]


def test_refining_weighs_by_the_exact_likelihood(
    model: Model, synthetic: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all draws, before samples are chosen among them."""
    monkeypatch.setattr("xspecnf.adaptive.POOL", 1)
    monkeypatch.setattr("xspecnf.adaptive.thin", lambda weights, size, rng: (np.arange(len(weights)), weights))
    faint = replace(synthetic, exposure=synthetic.exposure / 1e4, counts=np.round(synthetic.counts / 1e4))
    post = model.infer(faint, 500, refine=True)
    likelihood = log_likelihood(model.expected_counts(post.theta, faint), faint)
    log_w, khat = smooth(likelihood - post.log_prob)
    expected = np.exp(log_w - log_w.max())
    # The draws are weighed in single precision.
    np.testing.assert_allclose(post.weights, expected / expected.sum(), rtol=5e-4, atol=1e-12)
    assert post.diagnostics.khat == pytest.approx(khat, rel=1e-3)
    assert post.diagnostics.ess == pytest.approx(1 / np.sum(post.weights**2))
    assert post.diagnostics.log_evidence is not None
    assert model.infer(faint, 400).diagnostics.ess is None


def test_the_truth_fits(synthetic: Observation) -> None:
    """The statistic at the parameters that made the counts is that of 240 Poisson bins."""
    fit = goodness(TRUTH, fit_statistic(physics.expected_counts(TRUTH, synthetic), synthetic), synthetic)
    assert fit.value == pytest.approx(240, abs=5 * np.sqrt(2 * 240))
    assert fit.value == fit.best
    assert (fit.bins, fit.dof, fit.counts) == (240, 235, int(synthetic.counts.sum()))


def test_fit_statistic_leaves_out_the_normalisation_term(model: Model, synthetic: Observation) -> None:
    counts = model.expected_counts(TRUTH, synthetic)
    np.testing.assert_allclose(
        fit_statistic(counts, synthetic),
        pgstat(synthetic.counts, counts, synthetic.background, synthetic.background_error),
    )
    uncertain = replace(synthetic, systematic=np.full(240, 0.02), background_error=np.full(240, 3.0))
    y0 = counts + uncertain.background
    perfect = replace(uncertain, counts=y0[0])
    variance = 9.0 + (0.02 * counts) ** 2
    term = np.log((y0 + variance) / (y0 + 9.0)).sum(axis=1)
    total = pgstat(y0[0], counts, perfect.background, perfect.background_error, systematic=0.02)
    np.testing.assert_allclose(fit_statistic(counts, perfect), total - term, atol=1e-3)
    assert fit_statistic(counts, perfect) == pytest.approx(0, abs=1e-3)


def test_no_parameters_make_no_counts(model: Model, synthetic: Observation) -> None:
    assert model.expected_counts(np.empty((0, 5)), synthetic).shape == (0, 240)


@pytest.mark.parametrize("size", [1, 2500])
def test_expected_counts_are_those_of_the_physics(model: Model, synthetic: Observation, size: int) -> None:
    theta = np.repeat(TRUTH, size, axis=0) * np.linspace(1, 1.1, size)[:, None]
    np.testing.assert_allclose(
        model.expected_counts(theta, synthetic), physics.expected_counts(theta, synthetic), rtol=1e-12
    )


def test_a_spectrum_without_a_good_bin_is_refused(model: Model, synthetic: Observation) -> None:
    with pytest.raises(InputError, match="bad quality"):
        model.infer(replace(synthetic, good=np.zeros(240, dtype=bool)), 10)


def test_bad_bins_do_not_count(model: Model, synthetic: Observation) -> None:
    good = np.arange(240) >= 80
    spoilt = replace(synthetic, good=good, counts=np.where(good, synthetic.counts, 1e6))
    post = model.infer(spoilt, 10)
    assert post.fit.bins == 160
    assert post.fit.counts == synthetic.counts[80:].sum()
    assert "bad-bins" in [flag.name for flag in post.diagnostics.flags]


def test_the_reference_response_is_flagged(model: Model, synthetic: Observation) -> None:
    borrowed = replace(synthetic, response=model.reference_response)
    assert "reference-response" in [flag.name for flag in model.infer(borrowed, 10).diagnostics.flags]
    same_files = replace(model.reference_response, name="tiny reference")
    own = replace(synthetic, response=same_files)
    assert "reference-response" not in [flag.name for flag in model.infer(own, 10).diagnostics.flags]


def test_a_graph_with_other_tensors_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "swapped")
    bundle = load_bundle(folder)
    shutil.copy(folder / "decoder.onnx", folder / "encoder.onnx")
    with pytest.raises(BundleError, match=r"encoder\.onnx: has the tensors \['theta'\]"):
        OnnxBackend(bundle, "cpu").encode(np.zeros((1, 2, 240), dtype=np.float32))
    (folder / "flow.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"flow\.onnx: onnxruntime cannot load this graph"):
        OnnxBackend(bundle, "cpu").sample(np.zeros((1, 5), np.float32), np.zeros((1, 1, 5), np.float32))


def _spectrum(obs: Observation) -> np.ndarray:
    from xspecnf.features import features

    return features(obs)[None]
