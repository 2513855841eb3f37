"""What holds of any numbers: the statistic, folding, and files that are written and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xspecnf.formats.pha import Header, write_background, write_spectrum
from xspecnf.grid import NICER, Grid
from xspecnf.model import load_model
from xspecnf.observation import Observation
from xspecnf.ogip import read_spectrum
from xspecnf.posterior import Posterior
from xspecnf.response import Response
from xspecnf.statistics import pgstat, pgstat_per_bin

bounded = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BINS = 7
HEADER = Header("NICER", "XTI")


def numbers(low: float, high: float, shape: int | tuple[int, ...] = BINS) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(low, high, allow_subnormal=False))


counts = arrays(np.int64, BINS, elements=st.integers(0, 10**9)).map(lambda values: values.astype(float))
spectra = (counts, numbers(1e-3, 1e9), numbers(-1e3, 1e6), numbers(0, 1e4), numbers(0, 0.1))


@bounded
@given(*spectra, st.randoms(use_true_random=False))
def test_the_statistic_is_a_sum_over_bins_in_any_order(s, m, b, sigma, e, random):
    order = np.array(random.sample(range(BINS), BINS))
    whole = pgstat(s, m, b, sigma, systematic=e)
    shuffled = pgstat(*(values[order] for values in (s, m, b, sigma)), systematic=e[order])
    per_bin = pgstat_per_bin(s, m, b, sigma, systematic=e)
    tolerance = 1e-12 * np.abs(per_bin).sum()
    assert whole == pytest.approx(per_bin.sum(), abs=tolerance)
    assert shuffled == pytest.approx(whole, abs=tolerance)


@bounded
@given(*spectra[:4], st.floats(1e-3, 1e3))
def test_a_background_means_the_same_in_counts_of_either_exposure(s, m, b, sigma, ratio):
    scaled, own = pgstat(s, m, ratio * b, ratio * sigma), pgstat(s, m, b, sigma, exposure_ratio=ratio)
    assert scaled == pytest.approx(own, rel=1e-9, abs=1e-9)


@bounded
@given(*spectra)
def test_no_bin_with_counts_fits_better_than_perfectly(s, m, b, sigma, e):
    fit = pgstat_per_bin(s, m, b, sigma, systematic=e, normalised=False)
    assert np.all(np.isfinite(fit))
    assert np.all(fit[s > 0] >= -1e-9 * s[s > 0])


@bounded
@given(numbers(0, 1e3, (5, BINS)), numbers(0, 1e6, 5), numbers(0, 1e6, 5), st.floats(0, 1e3))
def test_folding_is_linear_and_keeps_zero(matrix, one, other, factor):
    grid = Grid((0, BINS), (1,), (0.0, 100.0), BINS, channels=BINS)
    response = Response(np.arange(6.0), matrix, "any", grid)
    together = response.fold(one + factor * other)
    assert together == pytest.approx(response.fold(one) + factor * response.fold(other), rel=1e-9)
    assert not response.fold(np.zeros(5)).any()


@bounded
@given(arrays(np.float64, NICER.channels, elements=st.integers(0, 10**6), fill=st.just(1)), st.integers(0, 2**32))
def test_folding_a_grouped_response_is_grouping_what_is_folded(channels, seed):
    rng = np.random.default_rng(seed)
    full, photons = channels * rng.random((4, NICER.channels)), rng.random(4)
    grouped = Response(np.arange(5.0), NICER.group(full), "any")
    assert grouped.fold(photons) == pytest.approx(NICER.group(photons @ full), rel=1e-9)


@bounded
@given(
    arrays(np.int64, 20, elements=st.integers(0, 2**40)),
    st.floats(1e-3, 1e7),
    st.integers(0, 1),
    st.sampled_from([0.0, 0.015]),
)
def test_a_written_spectrum_reads_as_it_was(tmp_path, values, exposure, first, systematic):
    path = tmp_path / "a.pha"
    path.unlink(missing_ok=True)
    write_spectrum(path, values, exposure, first, HEADER, systematic)
    read = read_spectrum(path)
    assert np.array_equal(read.counts, values)
    assert (read.channel[0], read.channels) == (first, 20)
    assert read.exposure == pytest.approx(exposure, rel=1e-15)  # a card has room for 16 digits
    assert np.all(read.systematic == systematic)
    assert (read.error, read.notes) == (None, ())


@bounded
@given(numbers(-1e6, 1e9, 20), numbers(0, 1e6, 20), numbers(1e-6, 1e6, 20), st.booleans())
def test_a_written_background_reads_as_it_was(tmp_path, values, error, scale, stated):
    path, copy = tmp_path / "a.pha", tmp_path / "b.pha"
    for old in (path, copy):
        old.unlink(missing_ok=True)
    write_spectrum(path, np.arange(20), 100.0, 0, HEADER)
    error = error if stated and error.any() else None
    original = replace(read_spectrum(path), counts=values, error=error, backscal=scale, areascal=scale[::-1])
    write_background(copy, original, HEADER)
    read = read_spectrum(copy)
    for name in ("channel", "counts", "backscal", "areascal"):
        assert np.array_equal(getattr(read, name), getattr(original, name))
    assert (read.error is None) == (error is None)
    assert error is None or np.array_equal(read.error, error)


@pytest.fixture(scope="module")
def post(tiny_bundle: Path, synthetic: Observation) -> Posterior:
    return load_model(tiny_bundle, "cpu").infer(synthetic, samples=6, seed=3)


@bounded
@given(
    data=st.tuples(
        numbers(-1e100, 1e100, (6, 5)),
        arrays(np.float64, 6, elements=st.floats(width=64)),
        numbers(1e-9, 1, 6),
    ),
    text=st.text(max_size=20),
    suffix=st.sampled_from([".npz", ".json"]),
)
def test_any_posterior_survives_its_files(tmp_path, post, data, text, suffix):
    theta, log_prob, weights = data
    odd = replace(post, theta=theta, log_prob=log_prob, weights=weights / weights.sum(), notes=(text,), file=text)
    odd.save(tmp_path / f"a{suffix}")
    loaded = Posterior.load(tmp_path / f"a{suffix}")
    for name in ("theta", "log_prob", "weights"):
        assert np.array_equal(getattr(loaded, name), getattr(odd, name), equal_nan=True)
    assert (loaded.notes, loaded.file) == (odd.notes, odd.file)
