"""Importance weights against posteriors and evidences that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from xspecnf.importance import reweight


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
