"""One seed, one answer: whatever runs beside it, on however many threads and in which process."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from xspecnf import Posterior, load_model
from xspecnf.formats.state import arrays
from xspecnf.observation import Observation
from xspecnf.threads import InTurn

THREADS = 64


def contents(posterior: Posterior) -> dict[str, bytes]:
    """All that the seed fixes: the arrays, the fit, the diagnostics."""
    said = repr((posterior.fit, posterior.diagnostics)).encode()
    return {name: array.tobytes() for name, array in arrays(posterior).items()} | {"said": said}


def test_threads_that_share_a_model_answer_as_one_does(synthetic: Observation) -> None:
    model = load_model(provider="cpu")

    def answer(seed: int) -> dict[str, bytes]:
        return contents(model.infer(synthetic, samples=200, seed=seed, refine=seed == 0))

    with ThreadPoolExecutor(THREADS) as threads:
        together = list(threads.map(answer, range(THREADS)))
    assert together[:8] == list(map(answer, range(8)))
    assert len({answers["theta"] for answers in together}) == THREADS


def test_a_model_answers_alike_in_one_thread_and_in_two(synthetic: Observation) -> None:
    model, found = load_model(provider="cpu"), []
    for model.threads in (1, 2):
        found.append(contents(model.infer(synthetic, samples=200, seed=3)))
    assert found[0] == found[1]


def test_what_is_done_in_turn_fails_where_its_result_is_asked_for() -> None:
    with InTurn() as executor:
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
        failed = executor.submit(divmod, 7, 0)
    with pytest.raises(ZeroDivisionError):
        failed.result()


ANSWER = """
import sys
import numpy as np
from xspecnf import load_model, read_observation
from xspecnf.formats.state import arrays

model, obs = load_model(provider="cpu"), read_observation(sys.argv[1])
post = model.infer(obs, samples=500, seed=0, refine=True)
np.savez(sys.argv[2], **arrays(post), said=np.array(repr((post.fit, post.diagnostics))))
"""


def test_the_number_of_blas_threads_changes_no_byte(example: Path, tmp_path: Path) -> None:
    """A refined posterior, its matrix products on one thread, two and four, in processes of their own."""
    found = []
    for threads in "124":
        path = tmp_path / f"{threads}.npz"
        variables = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", ANSWER, example, path], check=True, env=variables)
        with np.load(path) as answers:
            found.append({name: answers[name].tobytes() for name in answers.files})
    assert found[0].keys() >= {"theta", "log_prob", "weights", "said"}
    assert found[1] == found[0]
    assert found[2] == found[0]
