"""Sums over runs of bins: the windows' sums, and what a source's significance is in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammainc
from scipy.stats import norm

from xspecnf.bands import WINDOWS, background_share, signal, significance, window_sums
from xspecnf.observation import Observation


def test_windows_are_the_sums_of_neighbours() -> None:
    values = np.random.default_rng(1).poisson(5, (3, 40))
    for width, sums in zip(WINDOWS, window_sums(values), strict=True):
        expected = np.lib.stride_tricks.sliding_window_view(values, width, axis=-1).sum(axis=-1)
        np.testing.assert_array_equal(sums, expected)


def test_a_soft_source_shows_where_the_whole_band_does_not_tell(synthetic: Observation) -> None:
    background = np.full(240, 40.0)
    counts = background.copy()
    counts[8:16] += 30
    obs = replace(synthetic, counts=counts, background=background, background_error=np.full(240, 4.0))
    whole, best = signal(obs)
    assert whole == pytest.approx(240 / np.sqrt(9600 + 240 * 16), rel=0.02)
    assert best == pytest.approx(240 / np.sqrt(320 + 8 * 16), rel=0.15)
    without = replace(obs, good=~np.isin(np.arange(240), np.arange(8, 16)))
    assert signal(without) == pytest.approx((0, 0), abs=1e-6)


@pytest.mark.parametrize(("counts", "background"), [(24, 0.5), (3, 0.5), (400, 300.0)])
def test_significance_is_that_of_the_poisson_tail(counts: int, background: float) -> None:
    """Of counts over a background that is known, to a few per cent even where they are few."""
    chance = gammainc(counts, background)  # of so many or more
    assert significance(counts, background, 0.0) == pytest.approx(norm.isf(chance), abs=0.5)
    assert significance(counts, background, 10.0) < significance(counts, background, 0.0)


def test_a_background_that_is_nothing_is_not_known() -> None:
    assert significance(4, 0.0, 0.0) == 2
    assert significance(100, 200.0, 5.0) < -6


def test_the_largest_share_of_the_background_is_that_of_a_part_of_the_band(synthetic: Observation) -> None:
    counts, background = np.full(240, 1000.0), np.full(240, 1.0)
    counts[-32:] = 4
    obs = replace(synthetic, counts=counts, background=background)
    assert background_share(obs) == pytest.approx(0.25)
    assert background_share(replace(obs, good=np.arange(240) < 200)) == pytest.approx(0.001)


def test_nothing_counted_is_no_signal(synthetic: Observation) -> None:
    nothing = np.zeros(240)
    assert signal(replace(synthetic, counts=nothing, background=nothing)) == (0, 0)


def test_noise_has_no_window_of_five_sigma(synthetic: Observation) -> None:
    """No more than one in a thousand, faint or not: the variance is that of what was counted."""
    rng = np.random.default_rng(2)
    for level in (0.1, 2.0, 50.0):
        background = np.full(240, level)
        best = [
            signal(replace(synthetic, counts=counts, background=background))[1]
            for counts in rng.poisson(level, (1000, 240)).astype(float)
        ]
        assert np.count_nonzero(np.array(best) >= 5) <= 1
