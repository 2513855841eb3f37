"""What is simulated is what the likelihood assumes, also of a background of next to no counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from xspecnf.grid import NICER
from xspecnf.observation import read_observation
from xspecnf.simulation import Setup, simulate_file

NEARLY_NOTHING = (10.0, 2.0, 0.001, 0.03, 0.01)


def test_a_faint_background_is_held_at_zero_bin_by_bin(example: Path, tmp_path: Path) -> None:
    """The mean of max(0, B + sigma g) is B Phi(B/sigma) + sigma phi(B/sigma)."""
    responses = {"rmf_file": example.with_suffix(".rmf.gz"), "arf_file": example.with_suffix(".arf"), "exposure": 1000}
    simulate_file(Setup((0.5, 2.0, 0.1, 0.5, 0.3), **responses), tmp_path / "template.pha", seed=1)
    setup = Setup(NEARLY_NOTHING, **responses, background_file=tmp_path / "template.pha")
    rng = np.random.default_rng(2)
    drawn = np.mean([NICER.group(setup.draw(rng)).sum() for _ in range(300)])

    counts = read_observation(tmp_path / "template.pha").counts
    assert counts.mean() < 2  # a bin
    z = np.sqrt(counts)
    upper = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    assumed = np.sum(counts * upper + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))
    assert drawn == pytest.approx(assumed, rel=0.03)
