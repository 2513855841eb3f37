"""The prior's box and its unit cube."""

from __future__ import annotations

import numpy as np
import pytest

from xspecnf.parameters import BHB_PARAMETERS, Parameter, from_unit, index, to_unit


def test_the_table_of_parameters() -> None:
    """Names, XSPEC's numbers and bounds are a contract with bundles and chain files."""
    rows = [(p.name, p.number, p.low, p.high, p.scale) for p in BHB_PARAMETERS]
    assert rows == [
        ("nH", 1, 5e-3, 75, "log10"),
        ("Gamma", 2, 1.3, 4, "linear"),
        ("f_sc", 3, 1e-3, 1, "log10"),
        ("kT_disk", 6, 0.025, 4, "log10"),
        ("norm", 7, 1e-2, 1e10, "log10"),
    ]


@pytest.mark.parametrize("shape", [(5,), (0, 5), (100, 5), (4, 3, 5)])
def test_the_cube_and_back(shape: tuple[int, ...]) -> None:
    u = np.random.default_rng(0).random(shape)
    theta = from_unit(u)
    assert theta.shape == shape
    np.testing.assert_allclose(to_unit(theta), u, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(from_unit(to_unit(theta)), theta, rtol=1e-12)


def test_the_corners_are_the_bounds() -> None:
    bounds = np.array([[p.low for p in BHB_PARAMETERS], [p.high for p in BHB_PARAMETERS]])
    np.testing.assert_allclose(from_unit(np.array([[0.0] * 5, [1.0] * 5])), bounds, rtol=1e-14)
    np.testing.assert_allclose(to_unit(bounds), [[0] * 5, [1] * 5], atol=1e-15)


def test_the_middle_is_the_geometric_mean_but_for_gamma() -> None:
    middle = from_unit(np.full(5, 0.5))
    expected = [np.sqrt(p.low * p.high) if p.scale == "log10" else (p.low + p.high) / 2 for p in BHB_PARAMETERS]
    np.testing.assert_allclose(middle, expected, rtol=1e-12)


def test_what_lies_outside_the_prior_lies_outside_the_cube() -> None:
    theta = from_unit(np.full((1, 5), 0.5)) * [1, 1, 1, 1, 1e8]
    assert to_unit(theta)[0, 4] == pytest.approx(0.5 + 8 / 12)


@pytest.mark.parametrize(
    ("low", "high", "scale", "message"),
    [
        (1.0, 2.0, "ln", "x: the scale must be linear or log10, not 'ln'"),
        (2.0, 1.0, "linear", "x: 2.0..1.0 is no interval in linear"),
        (1.0, 1.0, "linear", "no interval"),
        (0.0, 1.0, "log10", "x: 0.0..1.0 is no interval in log10"),
        (-1.0, 1.0, "log10", "no interval"),
        (float("nan"), 1.0, "linear", "no interval"),
    ],
)
def test_a_parameter_needs_an_interval(low: float, high: float, scale: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parameter("x", "X.x", 1, "", low, high, scale)


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (("nH", "NH", "TBabs.nH", "tbabs.nh"), 0),
        (("Gamma", "gamma", "simplcutx.Gamma"), 1),
        (("f_sc", "FracSctr", "fracsctr"), 2),
        (("kT_disk", "T_max", "ezdiskbb.t_max"), 3),
        (("norm", "Norm", "ezdiskbb.norm"), 4),
    ],
)
def test_xspecs_names_serve_in_any_case(names: tuple[str, ...], place: int) -> None:
    assert [index(name) for name in names] == [place] * len(names)


def test_a_name_that_no_parameter_has_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no parameter is called 'kT_e'; .* f_sc \(simplcutx.FracSctr\)"):
        index("kT_e")


def test_no_name_is_that_of_two_parameters() -> None:
    names = [name.lower() for parameter in BHB_PARAMETERS for name in set(parameter.aliases)]
    assert len(set(names)) == len(names)
