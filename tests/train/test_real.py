"""Stage three's bookkeeping: tempered weights, the split by observation id, batches."""

import numpy as np
import pytest
import torch

from xspecnf.errors import InputError
from xspecnf_train.real import RealSet, hold_out, observation_id, tempered_weights


def test_weights_are_exact_where_enough_samples_carry_them() -> None:
    log_weight = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    assert tempered_weights(log_weight, least=2.0) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_degenerate_weights_are_tempered_to_the_wanted_size() -> None:
    log_weight = -0.5 * np.linspace(0, 40, 1000) ** 2
    weights = tempered_weights(log_weight, least=100)
    assert weights.sum() == pytest.approx(1)
    assert 1 / np.sum(weights**2) == pytest.approx(100, rel=1e-3)
    assert np.all(np.diff(weights) <= 0)


def test_impossible_samples_are_never_labels() -> None:
    weights = tempered_weights(np.array([0.0, -np.inf, -1.0]), least=2.0)
    assert weights[1] == 0


def test_no_finite_weight_is_an_error() -> None:
    with pytest.raises(ValueError, match="finite"):
        tempered_weights(np.full(3, -np.inf), least=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("js_ni1050360113_0mpu7_silver_GTI0.jsgrp", "1050360113"),
        ("folder/ni1200120106mpu7_sr.pha", "1200120106"),
        ("source_a.pha.gz", "source_a"),
    ],
)
def test_observation_id(name: str, expected: str) -> None:
    assert observation_id(name) == expected


def test_an_observation_is_never_on_both_sides() -> None:
    names = [f"js_ni{1050360100 + k // 4}_GTI{k % 4}.jsgrp" for k in range(40)]
    held = hold_out(names, 0.2, np.random.default_rng(0))
    ids = np.array([observation_id(name) for name in names])
    assert not set(ids[held]) & set(ids[~held])
    assert len(set(ids[held])) == 2


def test_one_observation_cannot_be_split() -> None:
    with pytest.raises(InputError, match="two observation ids"):
        hold_out(["js_ni1050360100_GTI0.jsgrp", "js_ni1050360100_GTI1.jsgrp"], 0.5, np.random.default_rng(0))


def test_batches_come_from_their_side() -> None:
    spectrum = torch.arange(6.0)[:, None, None].expand(6, 10, 240)
    labels = torch.arange(6.0)[:, None, None].expand(6, 3, 5)
    real = RealSet(spectrum, labels, np.array([True, False, False, True, False, False]))
    drawn, u = real.draw(50, held_out=True, rng=np.random.default_rng(0))
    assert set(drawn[:, 0, 0].tolist()) == {0.0, 3.0}
    assert torch.equal(drawn[:, 0, 0], u[:, 0])
