"""Posteriors: weighted summaries, checks at construction, goodness of fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xspecnf.parameters import BHB_PARAMETERS, from_unit
from xspecnf.posterior import Diagnostics, Fit, Posterior, marginal, quantiles
from xspecnf.verdict import Flag


def posterior(size: int = 400, seed: int = 0) -> Posterior:
    rng = np.random.default_rng(seed)
    return Posterior(
        file="obs.pha",
        model="tiny",
        seed=seed,
        parameters=BHB_PARAMETERS,
        theta=from_unit(rng.uniform(size=(size, 5)), BHB_PARAMETERS),
        log_prob=rng.normal(size=size),
        weights=np.full(size, 1 / size),
        fit=Fit("pgstat", 250.0, 235, 240, 12345, 240.0, (0.1, 2.0, 0.1, 0.5, 100.0)),
        diagnostics=Diagnostics("caution", (Flag("misfit", "caution", "why"),), 1.0),
        seconds=0.01,
    )


def test_quantiles_of_equal_weights_are_numpys() -> None:
    values = np.random.default_rng(3).normal(size=301)
    q = np.array([0.0, 0.16, 0.5, 0.84, 1.0])
    np.testing.assert_allclose(
        quantiles(values, np.full(301, 1 / 301), q), np.quantile(values, q, method="hazen"), rtol=1e-9
    )


def test_weights_act_as_repetitions() -> None:
    """Integer weights and repeated samples give the same mean, spread and, for many samples, quantiles."""
    rng = np.random.default_rng(4)
    values, times = rng.normal(size=2000), rng.integers(0, 4, size=2000)
    weighted = marginal(values, times / times.sum())
    size = int(times.sum())
    repeated = marginal(np.repeat(values, times), np.full(size, 1 / size))
    assert weighted.mean == pytest.approx(repeated.mean)
    assert weighted.std == pytest.approx(repeated.std)
    for name in ("q16", "median", "q84"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), abs=5e-3)


def test_resampling_repeats_by_weight() -> None:
    """Systematic resampling: floor or ceiling of S w copies, and the arrays stay together."""
    post = posterior(400)
    weights = np.random.default_rng(5).exponential(size=400)
    weighted = replace(post, weights=weights / weights.sum(), statistic=np.arange(400.0))
    equal = weighted.equally_weighted()
    assert equal.statistic is not None
    index = equal.statistic.astype(int)
    copies = np.bincount(index, minlength=400)
    expected = 400 * weighted.weights
    assert np.all((copies >= np.floor(expected - 1e-9)) & (copies <= np.ceil(expected + 1e-9)))
    np.testing.assert_array_equal(equal.theta, post.theta[index])
    np.testing.assert_array_equal(equal.log_prob, post.log_prob[index])
    np.testing.assert_array_equal(equal.weights, np.full(400, 1 / 400))
    assert np.corrcoef(index, np.arange(400))[0, 1] < 0.2  # shuffled: the order of rows means nothing


def test_equal_weights_are_left_alone() -> None:
    post = posterior()
    assert post.equally_weighted() is post


def test_a_single_sample_is_its_own_summary() -> None:
    m = marginal(np.array([2.5]), np.array([1.0]), "keV")
    assert (m.median, m.q16, m.q84, m.mean, m.std, m.unit) == (2.5, 2.5, 2.5, 2.5, 0.0, "keV")


def test_summary_names_and_units_follow_theta() -> None:
    post = posterior()
    summary = post.summary()
    assert tuple(summary) == post.names == ("nH", "Gamma", "f_sc", "kT_disk", "norm")
    assert summary["kT_disk"].unit == "keV"
    assert summary["Gamma"].median == pytest.approx(np.median(post.theta[:, 1]))


def test_samples_are_found_by_either_name() -> None:
    post = posterior()
    for name in ("kT_disk", "T_max", "ezdiskbb.T_max"):
        np.testing.assert_array_equal(post[name], post.theta[:, 3])
    with pytest.raises(ValueError, match="no parameter is called 'kTe'"):
        post["kTe"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": np.ones((400, 4))}, "theta has shape"),
        ({"theta": np.ones((0, 5)), "log_prob": np.ones(0), "weights": np.ones(0)}, "theta has shape"),
        ({"log_prob": np.ones(3)}, "log_prob"),
        ({"weights": np.ones(400)}, "sum to 1"),
        ({"statistic": np.ones(399)}, "statistic"),
        ({"weights": np.r_[-1.0, 2.0, np.zeros(398)]}, "non-negative"),
    ],
)
def test_inconsistent_arrays_are_refused(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(posterior(), **changes)


def test_repr_is_the_answer_at_a_glance() -> None:
    text = repr(posterior())
    assert "obs.pha: 400 samples, caution, PGSTAT/dof 240.0/235" in text
    assert "kT_disk" in text
    assert "keV" in text


def test_a_notebook_shows_names_units_and_reasons() -> None:
    """Names of files are text, not markup."""
    html = replace(posterior(), file="<i>.pha")._repr_html_()
    for words in ("&lt;i&gt;.pha", "caution", "<b>misfit</b>: why", "kT_disk", "keV", "240.0/235"):
        assert words in html


def test_the_samples_as_an_astropy_table() -> None:
    post = replace(posterior(), statistic=np.arange(400.0))
    table = post.to_table()
    assert table.colnames == [*post.names, "log_prob", "weight", "statistic"]
    np.testing.assert_array_equal(table["norm"], post.theta[:, 4])
    assert table["kT_disk"].unit == "keV"
    assert table["nH"].quantity[0].to_value("cm-2") == pytest.approx(1e22 * post.theta[0, 0])
    assert table.meta["verdict"] == "caution"


def test_reduced_without_degrees_of_freedom_is_nan() -> None:
    fit = posterior().fit
    assert (fit.reduced, fit.reduced_best) == (250 / 235, 240 / 235)
    assert np.isnan(replace(fit, dof=0).reduced)
