from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xspecnf.errors import BundleError, InputError
from xspecnf.grid import NICER
from xspecnf.matrix import refuse_torn
from xspecnf.ogip import read_arf, read_rmf
from xspecnf.response import Response, load_response

EDGES = np.geomspace(0.2, 12.0, 301)


def random_response(seed: int, conserving: bool = False) -> Response:
    matrix = np.random.default_rng(seed).random((len(EDGES) - 1, NICER.bins))
    return Response(EDGES.copy(), matrix / matrix.sum(axis=1, keepdims=True) if conserving else matrix, "random")


increasing = st.lists(st.floats(0.2, 12.0), min_size=2, max_size=40, unique=True).map(sorted).map(np.array)


@given(increasing.filter(lambda e: np.all(np.diff(e) > 1e-6)), st.integers(0, 100))
@settings(deadline=None)
def test_a_rebinned_response_conserves_photons(edges, seed):
    photons = np.random.default_rng(seed).random(len(edges) - 1)
    assert random_response(0, conserving=True).rebinned(edges).fold(photons).sum() == pytest.approx(photons.sum())


@given(increasing.filter(lambda e: np.all(np.diff(e) > 1e-6)))
@settings(deadline=None)
def test_rebinning_is_the_overlap_matrix_times_the_response(edges):
    response = random_response(1)
    overlap = np.minimum(edges[1:, None], EDGES[1:]) - np.maximum(edges[:-1, None], EDGES[:-1])
    share = np.clip(overlap, 0, None) / np.diff(edges)[:, None]
    assert np.allclose(response.rebinned(edges).matrix, share @ response.matrix, rtol=1e-9, atol=1e-12)


def test_photons_outside_the_response_make_no_counts():
    response = random_response(2)
    assert not response.rebinned([0.01, 0.1, 0.2]).matrix.any()
    assert not response.rebinned([12.0, 20.0]).matrix.any()
    half = response.rebinned([0.1, 0.2, 0.3])
    assert np.allclose(response.rebinned([0.1, 0.3]).matrix * 2, half.matrix.sum(axis=0))


def test_rebinning_to_its_own_energies_changes_nothing():
    response = random_response(3)
    assert np.allclose(response.rebinned(EDGES).matrix, response.matrix, rtol=1e-12)


def test_rebinning_is_done_once():
    response = random_response(3)
    assert response.rebinned([1.0, 2.0]) is response.rebinned([1.0, 2.0])
    assert response.rebinned([1.0, 2.0]) is not random_response(3).rebinned([1.0, 2.0])


def test_effective_area_of_a_flat_spectrum():
    response = random_response(4)
    rate = response.fold(np.diff(EDGES))
    assert np.allclose(response.effective_area, rate / (NICER.energy_hi - NICER.energy_lo))


def test_fold_takes_batches():
    response = random_response(5)
    photons = np.random.default_rng(5).random((2, 3, len(EDGES) - 1))
    assert np.allclose(response.fold(photons)[1, 2], response.fold(photons[1, 2]))


def test_save_and_load(tmp_path):
    response = random_response(6)
    response.save(tmp_path / "response.npz")
    again = Response.load(tmp_path / "response.npz")
    assert again.name == response.name
    assert np.array_equal(again.energy_edges, response.energy_edges)
    assert np.allclose(again.matrix, response.matrix, rtol=1e-7)


def test_a_damaged_stored_response_is_refused(tmp_path):
    path = tmp_path / "response.npz"
    for content in (b"", b"no zip", None):
        if content is None:
            np.savez(path, energy_edges=EDGES, matrix=np.ones((3, 3)), name=np.array("x"))
        else:
            path.write_bytes(content)
        with pytest.raises(BundleError, match=r"response\.npz.*reinstall"):
            Response.load(path)


@pytest.mark.parametrize(
    ("edges", "matrix"),
    [
        (EDGES, np.ones((300, 239))),
        (EDGES[::-1], np.ones((300, 240))),
        (EDGES, np.full((300, 240), np.nan)),
        (EDGES, np.full((300, 240), -1.0)),
    ],
)
def test_an_impossible_response_is_refused(edges, matrix):
    with pytest.raises(InputError, match="impossible"):
        Response(edges.copy(), matrix, "impossible")


def test_grouped_response_agrees_with_the_files_row_by_row(example):
    response = load_response(example.with_suffix(".rmf.gz"), example.with_suffix(".arf"))
    rmf, arf = read_rmf(example.with_suffix(".rmf.gz")), read_arf(example.with_suffix(".arf"))
    for row in (0, 200, 1000, 3450):
        channels = np.zeros(rmf.channels)
        cells = rmf.energy == row
        channels[rmf.channel[cells]] = rmf.value[cells]
        assert np.allclose(response.matrix[row], NICER.group(channels) * arf.area[row])
    assert response.effective_area.max() == pytest.approx(arf.area.max(), rel=0.02)


def test_files_are_parsed_once_until_they_change(tmp_path, write_rmf, write_arf):
    edges = np.array([0.5, 1.0, 2.0])
    rmf = write_rmf("a.rmf", edges, np.full((2, NICER.channels), 1 / NICER.channels))
    arf = write_arf("a.arf", edges, np.array([10.0, 20.0]))
    first = load_response(rmf, arf)
    assert load_response(rmf, arf) is first
    assert first.includes_area
    assert not load_response(rmf, None).includes_area
    arf.unlink()
    write_arf("a.arf", edges, np.array([10.0, 40.0]))
    assert np.allclose(load_response(rmf, arf).matrix[1], 2 * first.matrix[1])


def test_an_arf_of_other_energies_is_refused(write_rmf, write_arf):
    rmf = write_rmf("a.rmf", np.array([0.5, 1.0, 2.0]), np.full((2, NICER.channels), 1e-3))
    for name, edges in (("few.arf", np.array([0.5, 2.0])), ("shifted.arf", np.array([0.5, 1.1, 2.0]))):
        arf = write_arf(name, edges, np.ones(len(edges) - 1))
        with pytest.raises(InputError, match=rf"{name}.*do not match.*a\.rmf"):
            load_response(rmf, arf)


def test_an_rmf_of_another_channel_grid_is_refused(write_rmf):
    edges = np.array([0.5, 1.0])
    rmf = write_rmf("few.rmf", edges, np.full((1, 1024), 1e-3))
    with pytest.raises(InputError, match=r"few\.rmf: has 1024 channels, .*--rmf"):
        load_response(rmf, None)


def test_a_vanished_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"gone\.rmf"):
        load_response(tmp_path / "gone.rmf", None)


def test_a_row_that_is_unlike_those_beside_it_is_refused(write_rmf):
    """A block of one row's cells in the place of another's leaves every sum of a FITS file as it was."""
    dense = np.zeros((9, NICER.channels))
    for row in range(9):
        dense[row, 200 + 2 * row : 300 + 2 * row] = 0.01
    edges = np.linspace(2, 3, 10)
    assert load_response(write_rmf("sound.rmf", edges, dense), None).matrix.any()
    dense[5, 100:400], dense[5, 600:700] = 0, 0.01
    with pytest.raises(InputError, match=r"torn\.rmf: row 5 of the matrix is unlike"):
        load_response(write_rmf("torn.rmf", edges, dense), None)


def test_empty_rows_between_others_are_said(write_rmf):
    """As zeroed blocks leave them; those at the ends may be empty."""
    dense = np.full((9, NICER.channels), 1e-3)
    dense[[0, 8]] = 0
    edges = np.linspace(2, 3, 10)
    assert load_response(write_rmf("sound.rmf", edges, dense), None).notes == ()
    dense[3:5] = 0
    said = "holed.rmf: 2 rows of the matrix are empty between others; it may be damaged"
    assert load_response(write_rmf("holed.rmf", edges, dense), None).notes == (said,)


def rows_of_peaks() -> np.ndarray:
    """(30, 240): a peak of 20 bins that moves by one bin a row."""
    return np.array([np.where(abs(np.arange(240) - 100 - row) < 10, 0.05, 1e-6) for row in range(30)])


@pytest.mark.parametrize(
    ("rows", "moved"), [(slice(7, 8), 60), (slice(7, 12), 60), (slice(3, 4), None), (slice(20, 22), 200)]
)
def test_pieces_out_of_place_are_found(rows, moved):
    """Rows whose peaks lie elsewhere, one or five together; a row that got another one's peak besides its own."""
    matrix = rows_of_peaks()
    refuse_torn(matrix, Path("sound.rmf"))
    matrix[rows] = np.roll(matrix[rows], moved, axis=1) if moved else 2.5 * matrix[rows]
    with pytest.raises(InputError, match=r"torn\.rmf: row \d+ of the matrix is unlike those beside it"):
        refuse_torn(matrix, Path("torn.rmf"))


@pytest.mark.parametrize("matrix", [np.eye(9), np.zeros((9, 9)), np.ones((1, 9)), np.ones((2, 9))])
def test_matrices_without_neighbours_to_compare_are_left_alone(matrix):
    refuse_torn(matrix, Path("ideal.rmf"))


def test_an_edge_where_the_area_jumps_is_no_damage():
    matrix = rows_of_peaks()
    matrix[15:] *= 40
    refuse_torn(matrix, Path("edge.rsp"))
