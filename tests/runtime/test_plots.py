"""Figures: what they show is what the posterior and the data say."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xspecnf.errors import MissingExtraError
from xspecnf.formats.columns import Row, failed, row
from xspecnf.model import Model, load_model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.physics import expected_counts
from xspecnf.posterior import Posterior

pytest.importorskip("matplotlib")
pytest.importorskip("corner")

from xspecnf import plots
from xspecnf.plots.corner import corner
from xspecnf.plots.history import history
from xspecnf.plots.spectrum import JOINED, MOST_BINS, joined_bins, spectrum
from xspecnf.plots.style import scale, with_errors

NH, GAMMA, _, _, NORM = BHB_PARAMETERS


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return load_model(tiny_bundle, "cpu")


@pytest.fixture(scope="module")
def post(model: Model, synthetic: Observation) -> Posterior:
    return model.infer(synthetic, samples=80, seed=3)


@pytest.fixture
def faint(synthetic: Observation) -> Observation:
    """Few counts, and bins of bad quality among them."""
    counts = np.random.default_rng(1).poisson(0.7, 240).astype(float)
    return replace(synthetic, counts=counts, good=np.arange(240) % 7 > 0)


def test_joined_bins_share_out_the_good_bins(faint: Observation) -> None:
    bins = joined_bins(faint)
    assert bins.sum(faint.counts).sum() == faint.counts[faint.good].sum()
    assert bins.sum(np.ones((3, 240))).shape == (3, len(bins.groups))
    sizes = bins.sum(np.ones(240))
    assert sizes.max() <= MOST_BINS
    low, high = bins.edges(faint)
    gap_follows = low[1:] - high[:-1] > 1e-6
    enough = (bins.sum(faint.counts) >= JOINED) | (sizes == MOST_BINS)
    assert np.all(enough[:-1] | gap_follows)
    assert gap_follows.sum() == 34  # every seventh bin is bad, the first among them
    widths = bins.sum(faint.energy_hi - faint.energy_lo)
    np.testing.assert_allclose(high - low, widths)  # no bin reaches across a gap


def test_bright_bins_stay_single(synthetic: Observation) -> None:
    bright = replace(synthetic, counts=np.full(240, float(JOINED)))
    assert len(joined_bins(bright).groups) == 240


def test_the_spectrum_shows_data_and_residuals(post: Posterior, synthetic: Observation) -> None:
    upper, lower = spectrum(post, synthetic).axes
    data = upper.containers[0].lines[2][0].get_segments()  # horizontal bars: a bin's width at its rate
    bins = joined_bins(synthetic)
    low, high = bins.edges(synthetic)
    rate = bins.sum(synthetic.counts) / synthetic.exposure / (high - low)
    np.testing.assert_allclose([segment[0, 1] for segment in data], rate)
    sigma = np.array([segment[0, 1] for segment in lower.containers[0].lines[2][0].get_segments()])
    model = np.median(expected_counts(post.theta, synthetic), axis=0)
    expected = bins.sum(synthetic.counts - model - 1) / np.sqrt(bins.sum(model + 1))
    np.testing.assert_allclose(sigma, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unfolded", [False, True])
def test_a_faint_spectrum_can_be_drawn(post: Posterior, faint: Observation, unfolded: bool) -> None:
    upper, _ = spectrum(post, faint, unfolded).axes
    bottom, top = upper.get_ylim()
    assert 0 < bottom < top < np.inf
    assert ("F_E" in upper.get_ylabel()) is unfolded


def test_unfolding_with_a_right_model_gives_the_model_back(synthetic: Observation, post: Posterior) -> None:
    """Data equal to the expectation lie on the model, whatever the response."""
    truth = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])
    exact = replace(synthetic, counts=expected_counts(truth, synthetic)[0] + 1)
    sure = replace(post, theta=np.repeat(truth, 80, axis=0))
    upper, _ = spectrum(sure, exact, unfolded=True).axes
    segments = upper.containers[0].lines[2][0].get_segments()
    energy, flux = upper.lines[0].get_data()
    middle = np.array([np.sqrt(segment[0, 0] * segment[1, 0]) for segment in segments])
    np.testing.assert_allclose([segment[0, 1] for segment in segments], np.interp(middle, energy, flux), rtol=1e-6)


def test_corner_has_names_units_and_both_posteriors(post: Posterior) -> None:
    shifted = replace(post, theta=post.theta * 1.1)
    figure = corner(post, shifted)
    labels = [axes.get_xlabel() for axes in figure.axes[-5:]]
    assert "N_" in labels[0]
    assert "cm" in labels[0]
    assert "keV" in labels[3]
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "network alone" in texts
    low, high = figure.axes[6].get_xlim()  # Gamma's histogram
    assert low < post.theta[:, 1].min()
    assert high > shifted.theta[:, 1].max() * 0.99


def test_too_few_samples_for_a_corner_plot(model: Model, synthetic: Observation) -> None:
    with pytest.raises(ValueError, match="5 samples are too few"):
        corner(model.infer(synthetic, samples=5))


def test_history_shows_every_result_at_its_time(post: Posterior) -> None:
    rows: list[Row] = [row(replace(post, file=f"{k}.pha", mjd=58000.0 + k)) for k in range(3)]
    rows.append(failed("bad.pha", "why"))
    panels = history(rows, BHB_PARAMETERS).axes
    assert len(panels) == 6
    times, medians = panels[1].lines[0].get_data()
    np.testing.assert_array_equal(times, [58000, 58001, 58002])
    np.testing.assert_allclose(medians, post.summary()["Gamma"].median)
    assert panels[-1].get_xlabel() == "MJD"
    rows[0]["mjd"] = np.nan
    assert history(rows, BHB_PARAMETERS).axes[-1].get_xlabel() == "file"
    with pytest.raises(ValueError, match="no file has a result"):
        history(rows[3:], BHB_PARAMETERS)


def test_scales_suit_the_values() -> None:
    wide, narrow = np.geomspace(0.01, 10, 50), np.linspace(3.7e4, 3.9e4, 50)
    assert scale(NH, wide).logarithmic
    np.testing.assert_allclose(scale(NH, wide)(wide), np.log10(wide))
    assert scale(NORM, narrow).exponent == 4
    np.testing.assert_allclose(scale(NORM, narrow)(narrow), narrow / 1e4)
    assert not scale(GAMMA, np.linspace(1.3, 4, 50)).logarithmic


@pytest.mark.parametrize(
    ("quantiles", "text"),
    [
        ((1.604, 1.608, 1.612), "$1.6080^{+0.0040}_{-0.0040}$"),
        ((-1.86, -1.25, -0.59), "$-1.25^{+0.66}_{-0.61}$"),
        ((2.0, 2.0, 2.0), "$2.0^{+0.0}_{-0.0}$"),
    ],
)
def test_errors_decide_the_digits(quantiles: tuple[float, float, float], text: str) -> None:
    assert with_errors(*quantiles) == text


def test_a_figure_is_written_whole_or_refused(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match=r"'\.doc'; use one of \.png, \.pdf, \.svg"):
        plots.save(Figure(), tmp_path / "figure.doc")
    plots.save(Figure(), tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert list(tmp_path.iterdir()) == [tmp_path / "figure.pdf"]


def test_without_corner_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "corner", None)
    with pytest.raises(MissingExtraError, match=r"xspecnf\[plot\]"):
        plots.check_suffix(Path("figure.png"))
