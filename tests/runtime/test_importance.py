"""Importance weights against posteriors and evidences that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from xspecnf.importance import reweight, tempered, thin


def log_normal(x: np.ndarray, mean: float, width: float) -> np.ndarray:
    return -0.5 * ((x - mean) / width) ** 2 - np.log(width * np.sqrt(2 * np.pi))


def test_perfect_proposal_has_equal_weights_and_the_exact_evidence() -> None:
    x = np.random.default_rng(0).normal(0.3, 0.02, 500)
    result = reweight(log_normal(x, 0.3, 0.02) + 7.5, log_normal(x, 0.3, 0.02))
    np.testing.assert_allclose(result.weights, 1 / 500)
    assert result.ess == pytest.approx(500)
    assert result.efficiency == pytest.approx(1)
    assert result.log_evidence == pytest.approx(7.5)
    assert result.log_evidence_error == pytest.approx(0, abs=1e-6)


def test_a_wrong_proposal_is_corrected() -> None:
    """Target N(0.5, 0.05), proposal N(0.45, 0.08): moments and evidence come out within their errors."""
    x = np.random.default_rng(1).normal(0.45, 0.08, 20_000)
    result = reweight(log_normal(x, 0.5, 0.05) - 3.0, log_normal(x, 0.45, 0.08))
    mean = result.weights @ x
    assert mean == pytest.approx(0.5, abs=4 * 0.05 / np.sqrt(result.ess))
    assert np.sqrt(result.weights @ (x - mean) ** 2) == pytest.approx(0.05, rel=0.05)
    assert abs(result.log_evidence + 3.0) < 4 * result.log_evidence_error
    assert 0.2 < result.efficiency < 0.9


def test_the_evidence_error_is_the_scatter_of_repeated_runs() -> None:
    rng = np.random.default_rng(2)
    runs = []
    for _ in range(300):
        x = rng.normal(0.45, 0.08, 400)
        runs.append(reweight(log_normal(x, 0.5, 0.05), log_normal(x, 0.45, 0.08)))
    scatter = np.std([run.log_evidence for run in runs])
    assert np.mean([run.log_evidence_error for run in runs]) == pytest.approx(scatter, rel=0.15)


def test_huge_log_likelihoods_neither_overflow_nor_lose_the_differences() -> None:
    log_likelihood = np.array([0.0, np.log(3.0)])
    for offset in (-1e6, 1e6):
        result = reweight(log_likelihood + offset, np.zeros(2))
        np.testing.assert_allclose(result.weights, [0.25, 0.75], rtol=1e-9)
        assert result.log_evidence == pytest.approx(offset + np.log(2.0), abs=1e-6)


def test_samples_without_a_likelihood_weigh_nothing() -> None:
    result = reweight(np.array([1.0, np.nan, -np.inf, 1.0]), np.zeros(4))
    np.testing.assert_allclose(result.weights, [0.5, 0, 0, 0.5])
    assert result.ess == pytest.approx(2)
    with pytest.raises(ValueError, match="no sample has a finite likelihood"):
        reweight(np.array([np.nan, -np.inf]), np.zeros(2))


def log_normal_weights(size: int, width: float, seed: int) -> np.ndarray:
    w = np.exp(width * np.random.default_rng(seed).standard_normal(size))
    return w / w.sum()


def test_tempering_few_possible_samples_leaves_them_equal() -> None:
    """No power leaves 60 effective samples of two; the impossible ones still weigh nothing."""
    weights = tempered(np.array([0.0, -np.inf, -40.0, -np.inf]))
    np.testing.assert_allclose(weights, [0.5, 0, 0.5, 0])


def test_thinning_keeps_each_sample_once_and_every_weight_in_the_mean() -> None:
    weights = log_normal_weights(60, 1.5, 0)
    total = np.zeros(60)
    for seed in range(4000):
        index, kept = thin(weights, 20, np.random.default_rng(seed))
        assert len(np.unique(index)) == len(kept) == 20
        total[index] += kept
    assert kept.sum() == pytest.approx(1)
    np.testing.assert_allclose(total / 4000, weights, atol=4 * 0.05 / np.sqrt(4000) / 2)


def test_thinning_a_large_pool_is_rejection_and_a_small_one_stays() -> None:
    pool = log_normal_weights(5000, 0.3, 1)
    np.testing.assert_allclose(thin(pool, 1000, np.random.default_rng(0))[1], 1e-3)
    index, kept = thin(pool, 5000, np.random.default_rng(0))
    np.testing.assert_array_equal(index, np.arange(5000))
    np.testing.assert_array_equal(kept, pool)


def test_too_few_samples_are_repeated_and_none_without_weight_is_returned() -> None:
    weights = np.array([0.0, 0.7, 0.0, 0.3])
    for size in (2, 3, 7, 100):
        index, kept = thin(weights, size, np.random.default_rng(0))
        assert len(index) == len(kept) == size
        np.testing.assert_allclose(np.bincount(index, kept, minlength=4), weights, atol=1e-15)
        assert np.all(kept > 0)


def test_the_effective_number_after_thinning_is_what_estimates_scatter_by() -> None:
    """Mean of x from N(0, 1) by draws of N(0.5, 1.3): its variance over runs is 1/ess, the pool's noise included."""
    rng = np.random.default_rng(3)
    means, sizes = [], []
    for _ in range(500):
        x = rng.normal(0.5, 1.3, 400)
        index, kept = thin(reweight(log_normal(x, 0, 1), log_normal(x, 0.5, 1.3)).weights, 200, rng)
        means.append(kept @ x[index])
        sizes.append(1 / np.sum(kept**2))
    assert np.mean(sizes) > 150
    assert np.var(means) * np.mean(sizes) == pytest.approx(1, abs=0.25)
