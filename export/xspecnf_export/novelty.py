"""The reference of the novelty score: contexts of fresh spectra from the run's own simulator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from xspecnf.novelty import Novelty
from xspecnf.response import Response
from xspecnf_export.verify import run_graph
from xspecnf_train.simulate import Simulator, SimulatorConfig

SAMPLE = 8000
"""Contexts to compare with: one megabyte."""

FURTHER = 4000
"""Contexts whose distances make the p-value, down to 2.5e-4."""

CALL_SPECTRA = 1000


def learn_novelty(encoder: Path, config: SimulatorConfig, response: Response, seed: int) -> Novelty:
    """The reference, from the contexts that the graph `encoder` gives the spectra of two simulators that share no
    source.
    """
    rng = np.random.default_rng([seed, 4])
    sample, further = (_contexts(encoder, config, response, size, rng) for size in (SAMPLE, FURTHER))
    return Novelty.learn(sample, further)


def _contexts(
    encoder: Path, config: SimulatorConfig, response: Response, size: int, rng: np.random.Generator
) -> np.ndarray:
    simulator = Simulator(replace(config, pool=2 * size), response, int(rng.integers(2**31)))
    sizes = np.diff([*range(0, size, CALL_SPECTRA), size])
    batches = (simulator.draw(int(part), rng).features() for part in sizes)
    return np.concatenate([run_graph(encoder, {"spectrum": torch.from_numpy(batch)})[0] for batch in batches])
