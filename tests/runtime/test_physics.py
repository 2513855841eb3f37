"""The forward model against an independent program, closed forms, conservation laws and brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import from_unit
from xspecnf.physics import (
    MODEL_EDGES,
    absorption,
    comptonisation,
    disc,
    expected_counts,
    kompaneets,
    photons,
    tabulate,
)

STEFAN_BOLTZMANN = 5.670374419e-5  # erg/cm^2/s/K^4
KELVIN_PER_KEV = 1.160451812e7
ERG_PER_KEV = 1.602176634e-9
KM_PER_10KPC = 1e5 / 3.0856775814913673e22

THETA = np.array([[0.3, 2.2, 0.1, 0.4, 2e3], [5e-3, 1.3, 1.0, 4.0, 1e-2], [2.5, 3.9, 1e-3, 0.08, 1e7]])


def draws(size: int, seed: int = 0) -> np.ndarray:
    """Parameters (size, 5) from the prior."""
    return from_unit(np.random.default_rng(seed).random((size, 5)))


def deviations(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fractional deviations in the bins that matter: those with more than 1e-9 of the brightest bin's photons.

    The others are bins that absorption has emptied, down to exact zeros; they must be as empty here.
    """
    matters = truth > 1e-9 * truth.max()
    assert np.all(found[~matters] <= 2e-9 * truth.max())
    return np.abs(found[matters] / truth[matters] - 1)


def assert_reproduced(found: np.ndarray, truth: np.ndarray) -> None:
    error = deviations(found, truth)
    assert np.median(error) < 1e-4
    assert np.quantile(error, 0.99) < 5e-3
    assert error.max() < 2e-2  # the bin with the O I resonance, where photons are one in a thousand


@pytest.mark.parametrize("case", range(10))
def test_golden_spectra(case: int) -> None:
    """The committed part of the oracle: photons per bin at 0.2-12 keV, every edge of tbabs included."""
    edges = np.geomspace(0.002, 200, 2001)
    with np.load(Path(__file__).parents[1] / "data" / "physics_golden.npz", allow_pickle=False) as golden:
        truth, bins, theta = golden["photons"][case], golden["bins"], golden["params"][case : case + 1]
    assert_reproduced(photons(theta, edges)[0, bins], truth)


def test_oracle_spectra(shared: Path) -> None:
    """All the oracle's bins within 0.2-12 keV."""
    with np.load(shared / "physics" / "oracle_cases.npz", allow_pickle=False) as oracle:
        edges, theta, truth = oracle["edges"], oracle["params"], oracle["photons_nthcomp"]
    band = (edges[:-1] > 0.2) & (edges[1:] < 12)
    for found, expected in zip(photons(theta, edges), truth, strict=True):
        assert_reproduced(found[band], expected[band])


def test_disc_emits_what_stefan_and_boltzmann_say() -> None:
    """INT E N(E) dE = norm (km/10 kpc)^2 (2/3) sigma T*^4: both faces, INT r^-2 (1 - r^-1/2) dr = 1/3."""
    x = np.geomspace(1e-6, 300, 3000)
    flux = np.sum(x**2 * disc.template(x)) * np.log(x[1] / x[0])  # keV/cm^2/s at 1 keV
    peak = 0.487871
    expected = 2 / 3 * STEFAN_BOLTZMANN * (KELVIN_PER_KEV / peak) ** 4 * KM_PER_10KPC**2 / ERG_PER_KEV
    assert flux == pytest.approx(expected, rel=1e-6)


def test_disc_falls_as_energy_to_minus_two_thirds() -> None:
    low = disc.template(np.array([1e-6, 1e-5]))
    assert np.log10(low[1] / low[0]) == pytest.approx(-2 / 3, abs=1e-3)


def test_disc_table_is_the_integral() -> None:
    energy, temperature = np.geomspace(0.01, 20, 500), 0.7
    found = disc.density(energy, np.array([[temperature]]))[0]
    np.testing.assert_allclose(found, temperature**2 * disc.template(energy / temperature), rtol=1e-5)


def test_scattering_conserves_photons() -> None:
    seed = disc.density(kompaneets.CENTRES, np.array([[0.05], [0.4], [3.0]])).T
    seed = seed * np.diff(kompaneets.EDGES)[:, None]
    seed[: kompaneets.FIRST_SEED_BIN] = 0
    scattered = kompaneets.scatter(seed, np.array([1.3, 2.0, 4.0]))
    np.testing.assert_allclose(scattered.sum(axis=0), np.broadcast_to(seed.sum(axis=0), (3, 3)), rtol=1e-9)
    assert scattered.min() >= 0


@pytest.mark.parametrize("gamma", [1.6, 2.2, 3.0])
def test_scattered_photons_follow_the_power_law(gamma: float) -> None:
    """Far above the seeds and far below the electrons, N(E) goes as E^-Gamma."""
    parameters = (np.array([[value]]) for value in (gamma, 1.0, 0.03))
    low, high = comptonisation.density(np.array([1.0, 4.0]), *parameters)[0]
    assert -np.log(high / low) / np.log(4) == pytest.approx(gamma, abs=0.06)


def test_the_tables_that_ship_are_those_that_are_made() -> None:
    shipped, made = comptonisation._scattered_table(), tabulate.scattered_table()
    assert np.abs(shipped - made).max() < 0.51 * comptonisation.QUANTUM
    np.testing.assert_allclose(comptonisation._disc_table(), tabulate.disc_table(), rtol=1e-12)


@pytest.mark.parametrize(("gamma", "temperature"), [(1.35, 1.7), (1.63, 0.19), (2.5, 0.5), (3.97, 3.9), (1.31, 0.03)])
def test_the_table_is_the_solution(gamma: float, temperature: float) -> None:
    """Between its nodes the table agrees with the tridiagonal system solved at the very parameters."""
    direct = disc.template(kompaneets.CENTRES / temperature) * temperature**2
    width = np.diff(kompaneets.EDGES)
    seed = np.where(np.arange(kompaneets.BINS) < kompaneets.FIRST_SEED_BIN, 0, direct * width)
    scattered = kompaneets.scatter(seed[:, None], np.array([gamma]))[:, 0, 0] / width
    band = (kompaneets.CENTRES > 0.2) & (kompaneets.CENTRES < 12)
    for f_sc in (1e-3, 0.2, 1.0):
        parameters = (np.array([[value]]) for value in (gamma, f_sc, temperature))
        found = comptonisation.density(kompaneets.CENTRES[band], *parameters)[0]
        np.testing.assert_allclose(found, ((1 - f_sc) * direct + f_sc * scattered)[band], rtol=2e-4)


def test_even_energies_are_interpolated_as_any_others() -> None:
    theta = draws(300)
    parameters = (theta[:, 1:2], theta[:, 2:3], theta[:, 3:4])
    for size in (1, 4, 922):
        energy = 0.31 * np.exp(kompaneets.STEP * np.arange(size))
        found = np.exp(comptonisation.ln_emitted(0.31, size, *parameters)) / energy
        np.testing.assert_allclose(found, comptonisation.density(energy, *parameters), rtol=1e-10)


@pytest.mark.parametrize("nh", [5e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0, 75.0])
def test_transmission_is_the_mean_over_the_bin(nh: float) -> None:
    """Against brute force in every bin, those that straddle an edge or hold a resonance included."""
    fraction = (np.arange(2000)[:, None] + 0.5) / 2000
    sigma = absorption.cross_section(MODEL_EDGES[:-1] + fraction * np.diff(MODEL_EDGES))
    expected = np.exp(-nh * sigma).mean(axis=0)
    found = np.exp(absorption.ln_transmission(np.array([[nh]]), MODEL_EDGES))[0]
    seen = expected > 1e-6 * expected.max()
    np.testing.assert_allclose(found[seen], expected[seen], rtol=2e-3)
    np.testing.assert_allclose(np.median(np.abs(found[seen] / expected[seen] - 1)), 0, atol=1e-6)


def test_the_middle_of_a_bin_does_not_stand_for_its_transmission() -> None:
    """Why the average is taken: the O I resonance lies within one of the model's bins."""
    resonance = np.searchsorted(MODEL_EDGES, 0.528) - 1
    edges = MODEL_EDGES[resonance : resonance + 2]
    middle = np.exp(-absorption.cross_section(edges.mean(keepdims=True))[0])
    mean = np.exp(absorption.ln_transmission(np.ones((1, 1)), edges))[0, 0]
    assert abs(middle / mean - 1) > 0.5


def test_no_absorber_transmits_everything() -> None:
    np.testing.assert_allclose(absorption.ln_transmission(np.zeros((1, 1)), MODEL_EDGES), 0, atol=1e-12)


def test_photons_are_proportional_to_norm() -> None:
    brighter = THETA * [1, 1, 1, 1, 7.5]
    np.testing.assert_allclose(
        photons(brighter, MODEL_EDGES), 7.5 * photons(THETA, MODEL_EDGES), rtol=1e-12, atol=1e-300
    )


def test_photons_are_linear_in_the_scattered_fraction() -> None:
    none, half, all_ = (photons(THETA * [1, 1, 0, 1, 1] + [0, 0, f, 0, 0], MODEL_EDGES) for f in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + all_) / 2, rtol=1e-4, atol=1e-300)


def test_wide_bins_hold_the_sum_of_narrow_ones() -> None:
    narrow = np.geomspace(0.3, 10, 1201)
    by_fours = photons(THETA, narrow).reshape(len(THETA), -1, 4).sum(axis=2)
    np.testing.assert_allclose(photons(THETA, narrow[::4]), by_fours, rtol=5e-3)
    total = photons(THETA, narrow[[0, -1]])
    np.testing.assert_allclose(total[:, 0], by_fours.sum(axis=1), rtol=1e-4)


def test_single_precision_suffices_for_the_network() -> None:
    theta = draws(300)
    double = photons(theta, MODEL_EDGES)
    single = photons(theta.astype(np.float32), MODEL_EDGES)
    assert single.dtype == np.float32
    matters = double > 1e-6 * double.max(axis=1, keepdims=True)
    error = np.abs(single[matters] / double[matters] - 1)
    assert np.median(error) < 1e-5
    assert error.max() < 1e-3


def test_the_whole_prior_gives_numbers() -> None:
    corners = from_unit(np.array(np.meshgrid(*[[0.0, 1.0]] * 5)).reshape(5, -1).T)
    for theta in (corners, draws(500)):
        for precision in (np.float32, np.float64):
            found = photons(theta.astype(precision), MODEL_EDGES)
            assert np.isfinite(found).all()
            assert found.min() >= 0


def test_each_parameter_set_is_by_itself() -> None:
    theta = draws(50)
    together = photons(theta, MODEL_EDGES)
    np.testing.assert_allclose(together[7:8], photons(theta[7:8], MODEL_EDGES), rtol=1e-12)
    assert photons(theta[:0], MODEL_EDGES).shape == (0, len(MODEL_EDGES) - 1)


def test_whole_numbers_are_parameters_too() -> None:
    theta = np.array([[1, 2, 1, 1, 10]])
    np.testing.assert_array_equal(photons(theta, MODEL_EDGES), photons(theta.astype(float), MODEL_EDGES))


@pytest.mark.parametrize(
    ("theta", "edges", "message"),
    [
        (THETA[0], MODEL_EDGES, r"shape \(S, 5\), not \(5,\)"),
        (THETA[:, :4], MODEL_EDGES, r"shape \(S, 5\)"),
        (THETA, MODEL_EDGES[::-1], "ascending energies"),
        (THETA, np.array([0.3, 0.3, 1.0]), "ascending energies"),
        (THETA, np.array([1.0]), "ascending energies"),
        (THETA, np.array([1e-4, 1.0]), "0.002-200 keV"),
        (THETA, np.array([1.0, 1e3]), "0.002-200 keV"),
        (THETA, np.array([1.0, np.nan]), "energies"),
        (THETA * [-1, 1, 1, 1, 1], MODEL_EDGES, "nH must lie within"),
        (THETA * [1, 2, 1, 1, 1], MODEL_EDGES, "Gamma must lie within"),
        (THETA * [1, 1, 20, 1, 1], MODEL_EDGES, "f_sc must lie within"),
        (THETA * [1, 1, 1, 20, 1], MODEL_EDGES, "kT_disk must lie within"),
        (THETA * [1, 1, 1, np.nan, 1], MODEL_EDGES, "kT_disk must lie within"),
        (THETA * [1, 1, 1, 1, -1], MODEL_EDGES, "norm must lie within"),
    ],
)
def test_what_cannot_be_computed_is_refused(theta: np.ndarray, edges: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        photons(theta, edges)


@pytest.fixture(scope="module")
def obs(example: Path) -> Observation:
    return read_observation(example)


def test_expected_counts_are_those_of_the_response_itself(obs: Observation) -> None:
    """The model's own grid against photons on the response's 5 eV energies."""
    theta = np.vstack([THETA, draws(5)])
    found = expected_counts(theta, obs)
    direct = obs.response.fold(photons(theta, obs.response.energy_edges)) * obs.exposure
    matters = direct > 1e-6 * direct.max(axis=1, keepdims=True)
    error = np.abs(found[matters] / direct[matters] - 1)
    assert np.median(error) < 1e-4
    assert error.max() < 1e-2
    np.testing.assert_allclose(found.sum(axis=1), direct.sum(axis=1), rtol=2e-4)


def test_expected_counts_of_the_oracle(obs: Observation, shared: Path) -> None:
    """Folded counts must be right to 1e-3 for spectra of 1e6 counts."""
    with np.load(shared / "physics" / "oracle_cases.npz", allow_pickle=False) as oracle:
        truth = obs.response.rebinned(oracle["edges"]).fold(oracle["photons_nthcomp"]) * obs.exposure
        found = expected_counts(oracle["params"], obs)
    matters = truth > 1e-6 * truth.max(axis=1, keepdims=True)
    np.testing.assert_allclose(found[matters], truth[matters], rtol=5e-4)
