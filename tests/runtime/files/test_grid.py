import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xspecnf.errors import BundleError
from xspecnf.grid import NICER, Grid

segments = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 5)), min_size=1, max_size=6)


def grid_of(segments: list[tuple[int, int]], first: int) -> Grid:
    """A grid of `repeats` groups of `size` channels for each (size, repeats), from channel `first` on."""
    edges = np.cumsum([first, *[size * repeats for size, repeats in segments]])
    sizes, repeats = zip(*segments, strict=True)
    return Grid(tuple(int(e) for e in edges), sizes, (0.0, 100.0), sum(repeats), channels=int(edges[-1]) + 3)


@settings(deadline=None)
@given(segments, st.integers(0, 9), st.randoms(use_true_random=False))
def test_grouping_conserves_counts(segments, first, random):
    grid = grid_of(segments, first)
    counts = np.array([random.randrange(1000) for _ in range(grid.channels)])
    grouped = grid.group(counts)
    assert grouped.shape == (grid.bins,)
    assert grouped.sum() == counts[first : grid.channels - 3].sum()
    assert np.array_equal(np.bincount(grid.bin_of_channel + 1, weights=counts, minlength=grid.bins + 1)[1:], grouped)


def test_nicer_grid_is_the_published_one():
    assert NICER.bins == len(NICER.first_channel) == 240
    assert (NICER.first_channel[0], NICER.first_channel[-1]) == (29, 990)
    assert NICER.energy_lo[0] == pytest.approx(0.29)
    assert NICER.energy_hi[-1] == pytest.approx(9.95)
    assert np.allclose(NICER.energy_lo[1:], NICER.energy_hi[:-1])
    assert set(NICER.channels_per_bin) == {3, 4, 5}


def test_group_sums_along_the_last_axis():
    values = np.arange(2 * NICER.channels).reshape(2, -1)
    assert np.array_equal(NICER.group(values), np.stack([NICER.group(row) for row in values]))
    with pytest.raises(ValueError, match="1501 channels"):
        NICER.group(np.ones(240))


def test_grid_survives_json():
    assert Grid.from_dict(json.loads(json.dumps(NICER.to_dict()))) == NICER


@pytest.mark.parametrize("change", [{"bins": 242}, {"bins": "many"}, {"group_sizes": [2, 3]}, {"colour": 1}])
def test_a_damaged_grid_is_refused(change):
    with pytest.raises(BundleError, match="reinstall"):
        Grid.from_dict(NICER.to_dict() | change)


@pytest.mark.parametrize(
    ("edges", "sizes"), [((0,), ()), ((0, 10), (3,)), ((0, 10, 5), (2, 1)), ((0, 2000), (2,)), ((0, 10), (0,))]
)
def test_impossible_segments_are_refused(edges, sizes):
    with pytest.raises(ValueError, match=r"segment|channel|divide"):
        Grid(edges, sizes, (0.0, 10.0), 5)
