"""Calibration figures on posteriors that are right, and wrong in known ways; one whole evaluation of a tiny bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xspecnf import load_model, read_observation
from xspecnf_train.evaluate import Sizes, evaluate
from xspecnf_train.evaluate.calibration import (
    BINS,
    LEVELS,
    chance_deviation,
    chi2_p,
    coverage,
    histogram,
    ks_p,
    rank,
    tarp_rank,
)
from xspecnf_train.evaluate.markdown import markdown
from xspecnf_train.evaluate.plots import save_plots
from xspecnf_train.evaluate.population import count_range, fresh_spectra, total_counts

SPECTRA, SAMPLES = 1000, 100
EQUAL = np.full(SAMPLES, 1 / SAMPLES)


def posteriors(width: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Truths (2,) from a unit normal prior, seen with unit noise, and samples of a posterior `width` times too wide;
    with the samples (100, 2) and truths come the posterior's ln density at both, up to the same constant.
    """
    rng = np.random.default_rng(1)
    result = []
    for _ in range(SPECTRA):
        truth = rng.standard_normal(2)
        mean = (truth + rng.standard_normal(2)) / 2
        samples = mean + width * np.sqrt(0.5) * rng.standard_normal((SAMPLES, 2))
        result.append((samples, truth, -((samples - mean) ** 2).sum(axis=1), -((truth - mean) ** 2).sum()))
    return result


def deviation(credibility: np.ndarray) -> float:
    return float(np.abs(coverage(credibility) - LEVELS).max())


@pytest.mark.parametrize(("width", "calibrated"), [(1.0, True), (0.8, False), (1.25, False)])
def test_right_posteriors_pass_and_wrong_widths_are_caught(width: float, calibrated: bool) -> None:
    rng = np.random.default_rng(2)
    cases = posteriors(width)
    ranks = np.array([rank(u, EQUAL, truth, rng) for u, truth, _, _ in cases])
    tarp = np.array([tarp_rank(u, EQUAL, truth, rng) for u, truth, _, _ in cases])
    density = np.array([rank(-p, EQUAL, -at_truth, rng) for _, _, p, at_truth in cases])
    limit = chance_deviation(SPECTRA, 2)[1]
    for credibility in (2 * np.abs(ranks[:, 0] - 0.5), tarp, density):
        assert (deviation(credibility) < limit) == calibrated
    assert (ks_p(density) > 0.01) == calibrated
    assert (chi2_p(histogram(density)) > 0.01) == calibrated  # pyright: ignore[reportOptionalOperand]


def test_tarp_is_uniform_with_few_samples() -> None:
    rng = np.random.default_rng(6)
    cases = rng.standard_normal((2000, 10, 5))
    assert ks_p(np.array([tarp_rank(u[1:], np.full(9, 1 / 9), u[0], rng) for u in cases])) > 0.01


def test_importance_weights_make_ranks_of_a_wide_proposal_uniform() -> None:
    rng = np.random.default_rng(3)
    ranks = []
    for u, truth, log_p, _ in posteriors(1.5):
        w = np.exp(log_p * (1 - 1 / 1.5**2))
        ranks.append(rank(u, w / w.sum(), truth, rng))
    assert ks_p(np.array(ranks)[:, 0]) > 0.01


def test_a_tie_is_broken_by_chance() -> None:
    """A posterior that is a single point, the truth, says nothing: every rank is as good."""
    rng = np.random.default_rng(4)
    ranks = np.array([rank(np.ones(SAMPLES), EQUAL, 1.0, rng) for _ in range(2000)])
    assert ks_p(ranks) > 0.01


def test_chance_is_what_uniform_ranks_show() -> None:
    rng = np.random.default_rng(5)
    found = [max(deviation(rng.random(200)) for _ in range(3)) for _ in range(400)]
    mean, q95 = chance_deviation(200, 3)
    assert mean == pytest.approx(np.mean(found), rel=0.1)
    assert np.mean(np.array(found) > q95) == pytest.approx(0.05, abs=0.035)


def test_p_values_of_uniform_ranks_are_uniform() -> None:
    rng = np.random.default_rng(6)
    p = np.array([[chi2_p(histogram(r)), ks_p(r)] for r in rng.random((1000, 40 * BINS))], dtype=float)
    for level in (0.1, 0.5):
        np.testing.assert_allclose((p < level).mean(axis=0), level, atol=0.05)


def test_too_few_ranks_have_no_chi2() -> None:
    assert chi2_p(histogram(np.linspace(0, 1, 50))) is None


def test_spectra_are_spread_over_the_decades(tiny_bundle: Path) -> None:
    batch = fresh_spectra(load_model(tiny_bundle, "cpu"), 700, seed=1)
    numbers = np.bincount(count_range(total_counts(batch)), minlength=7)
    assert numbers.sum() == 700
    assert numbers[1:6].max() < 1.6 * numbers[1:6].min()  # the simulator's own draws differ by a factor of three


def test_every_spectrum_that_is_judged_has_a_signal(tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle, "cpu")
    batch = fresh_spectra(model, 100, seed=2)
    posteriors = [model.infer(obs, samples=10) for obs in batch.observations(model.reference_response)]
    flags = {flag.name for posterior in posteriors for flag in posterior.diagnostics.flags}
    assert "misfit" in flags  # the tiny network's
    assert "no-signal" not in flags
    assert total_counts(batch).min() < 1000


@pytest.fixture(scope="module")
def judged(tiny_bundle: Path, example: Path) -> dict[str, Any]:
    """The figures of one small evaluation, as JSON gives them back."""
    model = load_model(tiny_bundle, "cpu")
    figures = evaluate(model, Sizes(60, 40, 30, 3), real=[read_observation(example)], report=lambda _: None)
    return json.loads(json.dumps(figures))


def test_a_network_that_ignores_the_data_is_not_calibrated(judged: dict[str, Any]) -> None:
    found = judged["network"]["claimed"]["coverage"]["marginal"]
    assert found["max"] > 2 * found["chance_95"]
    assert judged["network"]["claimed"]["uniformity"]["Gamma"]["ks_p"] < 0.01


def test_the_truth_fits_simulated_spectra(judged: dict[str, Any]) -> None:
    found = judged["refined"]["all"]["pgstat"]
    assert judged["refined"]["all"]["failed"] == 0
    assert found["spectra"] == 3
    # The median: the tiny network leads one of the three fits to a wrong minimum.
    assert found["fit"]["median"] <= found["truth"]["median"]
    assert found["truth"]["mean"] < 1.5


def test_real_spectra_are_judged_without_a_truth(judged: dict[str, Any]) -> None:
    assert judged["real"]["network"]["all"]["spectra"] == 1
    assert "truth" not in judged["real"]["network"]["all"]["pgstat"]
    assert "coverage" not in judged["real"]["network"]["all"]


def test_a_spectrum_without_a_posterior_does_not_end_the_rest(
    tiny_bundle: Path, example: Path, judged: dict[str, Any]
) -> None:
    obs = read_observation(example)
    blind = replace(obs, good=np.zeros_like(obs.good))
    figures = evaluate(load_model(tiny_bundle, "cpu"), Sizes(1, 40, 0, 1), real=[blind, obs], report=lambda _: None)
    assert figures["real"]["refined"]["all"]["failed"] == 1
    assert figures["real"]["refined"]["all"]["pgstat"]["spectra"] == 1
    assert "without a posterior for 1 spectra" in markdown(judged | {"real": figures["real"]})


def test_workers_change_nothing(tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle, "cpu")
    one, two = (evaluate(model, Sizes(30, 20, 5, 0), workers=n, report=lambda _: None) for n in (1, 2))
    assert one["network"] == two["network"]
    assert one["plots"] == two["plots"]


def test_tables_hold_what_was_measured(judged: dict[str, Any]) -> None:
    text = markdown(judged)
    found = judged["network"]["all"]["coverage"]["marginal"]
    assert f"| **all** | 60 | {found['max']:.3f} ({found['chance']:.3f}, {found['chance_95']:.3f}) |" in text
    assert "--spectra 60 --samples 40 --exact 30 --refined 3 --seed 1`" in text
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 15


def test_plots_come_from_the_figures_alone(judged: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = save_plots(judged, tmp_path / "plots")
    assert [path.stem for path in written] == ["coverage", "ranks", "efficiency", "pgstat"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_what_was_not_measured_is_left_out(tiny_bundle: Path, tmp_path: Path) -> None:
    model = load_model(tiny_bundle, "cpu")
    figures = evaluate(model, Sizes(20, 20, 0, 0), report=lambda _: None)
    assert set(figures) & {"network", "refined", "real"} == {"network"}
    assert "PGStat" not in markdown(figures)
    pytest.importorskip("matplotlib")
    assert [path.stem for path in save_plots(figures, tmp_path)] == ["coverage", "ranks"]


@pytest.mark.parametrize("sizes", [(0, 100, 0, 0), (10, 9, 0, 0), (10, 10, 11, 0), (10, 10, 0, 11)])
def test_impossible_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="spectra"):
        Sizes(*sizes)
