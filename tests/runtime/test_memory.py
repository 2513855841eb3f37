"""Memory does not grow with samples but for theta and what stands beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xspecnf.importance import Block, pooled, reweight

GROWN = """
import resource, sys
import xspecnf

model, obs = xspecnf.load_model(sys.argv[1]), xspecnf.read_observation(sys.argv[2])
peaks = []
for samples in (12_000, 42_000):
    post = model.infer(obs, samples=samples, refine=sys.argv[3] == "refined")
    assert len(post.theta) == samples
    post.save(sys.argv[4])
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
@pytest.mark.parametrize(("way", "suffix"), [("raw", ".json"), ("refined", ".csv")])
def test_a_sample_takes_little_more_than_its_numbers(
    example: Path, tiny_bundle: Path, tmp_path: Path, way: str, suffix: str
) -> None:
    """The peak rises by less than the expected counts of the further samples, or their text, would take."""
    arguments = [str(tiny_bundle), str(example), way, str(tmp_path / f"post{suffix}")]
    done = subprocess.run([sys.executable, "-c", GROWN, *arguments], capture_output=True, text=True, check=True)
    slack = 25e6 if way == "refined" else 10e6  # bytes that the allocator keeps of a block's pool, or of a text
    # 500 bytes a sample, where theta has 40; the counts of its draws, which were all kept once, have 2000
    assert int(done.stdout) * 1024 < 30_000 * 500 + slack


def test_blocks_add_up_as_draws_do() -> None:
    """A normal law's mean and evidence from blocks of unequal size, as from all draws at once."""
    rng = np.random.default_rng(3)
    x = rng.normal(0, 2, 6000)
    log_p, log_q = -((x - 1) ** 2) / 2, -(x**2) / 8 - np.log(2)
    whole = reweight(log_p, log_q)
    parts = [slice(0, 1000), slice(1000, 3000), slice(3000, 6000)]
    blocks = [Block(x[part, None], log_q[part], reweight(log_p[part], log_q[part])) for part in parts]
    found = pooled(blocks)
    assert found.result.weights.sum() == pytest.approx(1)
    assert found.result.weights @ found.u[:, 0] == pytest.approx(1, abs=0.06)
    assert found.result.weights @ found.u[:, 0] == pytest.approx(float(whole.weights @ x), abs=0.01)
    assert found.result.log_evidence == pytest.approx(whole.log_evidence, abs=0.01)
    assert found.result.log_evidence_error == pytest.approx(whole.log_evidence_error, rel=0.1)
    assert found.result.ess == pytest.approx(whole.ess, rel=0.05)
    assert found.result.efficiency == pytest.approx(whole.efficiency, rel=0.05)


def test_many_refined_samples_are_those_of_few(example: Path) -> None:
    """The same posterior, worth what it is said to be, in blocks."""
    import xspecnf

    model, obs = xspecnf.load_model(), xspecnf.read_observation(example)
    few, many = (model.infer(obs, samples=n, seed=1, refine=True) for n in (4000, 25_000))
    assert many.theta.shape == (25_000, few.theta.shape[1])
    assert many.diagnostics.ess > 0.8 * 25_000
    assert many.diagnostics.log_evidence == pytest.approx(few.diagnostics.log_evidence, abs=0.05)
    assert many.diagnostics.log_evidence_error < few.diagnostics.log_evidence_error
    for name, m in many.summary().items():
        assert m.median == pytest.approx(few.summary()[name].median, abs=0.1 * m.std)
        assert m.std == pytest.approx(few.summary()[name].std, rel=0.1)
