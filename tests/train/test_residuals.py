"""What benchmarks/residuals.py says of residuals whose truth is known."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SPECTRA, BINS = 400, 240
MEAN, SCATTER = 0.03, 0.02


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "residuals.py"))


def drawn(benchmark: dict[str, Any], noise: float) -> Any:
    """Spectra that deviate by MEAN +- SCATTER in the first half of the bins, seen through noise of unequal size."""
    rng = np.random.default_rng(0)
    sigma = noise * rng.uniform(0.2, 1.0, (SPECTRA, BINS))
    truth = np.where(np.arange(BINS) < BINS // 2, MEAN + SCATTER * rng.standard_normal((SPECTRA, BINS)), 0.0)
    one = np.ones(SPECTRA)
    used = np.full((SPECTRA, BINS), True)
    return benchmark["Residuals"](truth + sigma * rng.standard_normal(truth.shape), sigma**2, used, one, one, one)


@pytest.mark.parametrize("noise", [0.005, 0.05])
def test_the_noise_is_taken_out(benchmark: dict[str, Any], noise: float) -> None:
    deviation = benchmark["Deviation"].of(drawn(benchmark, noise), 0.015)
    half = BINS // 2
    assert deviation.mean[:half].mean() == pytest.approx(MEAN, abs=1e-3)
    assert np.mean(deviation.scatter[:half] ** 2) == pytest.approx(SCATTER**2, rel=0.1)
    assert np.mean(deviation.rms[:half] ** 2) == pytest.approx(MEAN**2 + SCATTER**2, rel=0.05)
    assert np.sqrt(np.mean(deviation.rms[half:] ** 2)) < 0.15 * noise


def test_bins_that_few_spectra_have_are_left_out(benchmark: dict[str, Any]) -> None:
    found = drawn(benchmark, 0.01)
    found.used[4:, :100] = False
    deviation = benchmark["Deviation"].of(found, 0.015)
    assert np.all(np.isnan(deviation.mean[:100]))
    assert np.all(np.isfinite(deviation.mean[100:]))
    assert deviation.over(0.3, 0.5) == pytest.approx((np.nan,) * 3, nan_ok=True)


def test_the_error_to_fit_again_with_is_each_range_s(benchmark: dict[str, Any]) -> None:
    error = benchmark["covering"](benchmark["Deviation"].of(drawn(benchmark, 0.005), 0.015))
    assert error[0] == pytest.approx(0.035)  # of 0.036, to the nearest half per cent
    assert error[-1] == pytest.approx(0.01)  # none was found
