"""Judge many spectra on several processes; a spectrum's score depends on the evaluation's seed and its place alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from xspecnf import load_model
from xspecnf.backends.base import Place
from xspecnf.errors import XspecnfError
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.processes import processes
from xspecnf_train.evaluate.population import picked
from xspecnf_train.evaluate.scores import Scores, joined, score_failure, score_network, score_refined
from xspecnf_train.simulate import Batch

Spectra = Batch | Sequence[Observation]
"""Simulated ones, whose parameters are known, or real ones."""

CHUNK = 25
"""Spectra that a worker judges at a time."""

REPEATED = 4
"""Every so many refined spectra are refined twice."""


@dataclass(frozen=True)
class Sizes:
    """How much is judged.

    Attributes:
        spectra: simulated, each with `samples` of the network.
        samples: of each posterior.
        exact: of the spectra, whose samples are judged by the exact physics too.
        refined: of the spectra that are refined.

    Raises:
        ValueError: less than one spectrum or ten samples, or more exact or refined spectra than there are.
    """

    spectra: int = 10_000
    samples: int = 500
    exact: int = 2_000
    refined: int = 400

    def __post_init__(self) -> None:
        if self.spectra < 1 or self.samples < 10:
            raise ValueError(f"{self.samples} samples of {self.spectra} spectra are too few; take 10 of 1 at least")
        if not (0 <= self.exact <= self.spectra and 0 <= self.refined <= self.spectra):
            raise ValueError(f"{self.exact} exact and {self.refined} refined are not among {self.spectra} spectra")


@dataclass(frozen=True)
class Judged:
    """Scores of the network's posteriors and of the refined ones, if there are any."""

    network: Scores
    refined: Scores | None


@dataclass(frozen=True)
class Judge:
    """What a worker needs to know: the bundle's folder, where its graphs run, the evaluation's sizes and seed, and
    whether simulated spectra are judged by the marginal likelihood.
    """

    bundle: Path
    provider: Place
    sizes: Sizes
    seed: int
    marginal: bool = False

    def __call__(self, first: int, spectra: Spectra) -> tuple[list[Scores], list[Scores]]:
        """Judge spectra, numbers `first` and on of the evaluation: the network's posteriors, and the refined ones."""
        model, sizes = _model(self.bundle, self.provider), self.sizes
        network, refined = [], []
        for k, (obs, truth) in enumerate(_with_truth(spectra, model, self.marginal), first):
            seed, repeat = (self.seed, k), k % REPEATED == 0
            network.append(_scored(score_network, model, obs, truth, sizes.samples, k < sizes.exact, seed))
            if k < sizes.refined:
                refined.append(_scored(score_refined, model, obs, truth, sizes.samples, repeat, seed))
        return network, refined


def _scored(score: Callable[..., Scores], model: Model, obs: Observation, *arguments: object) -> Scores:
    """A spectrum without a posterior is a finding like any other and must not end an evaluation."""
    try:
        return score(model, obs, *arguments)
    except (XspecnfError, ValueError):
        return score_failure(obs)


def judge_all(
    judge: Judge,
    spectra: Spectra,
    workers: int,
    report: Callable[[str], None],
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Judged:
    """Judge all spectra, on `workers` processes or, if that is one, in this; `report` and `step` are told how far the
    work is, in words and as (done, of how many).
    """
    total = len(spectra.u) if isinstance(spectra, Batch) else len(spectra)
    started = time.monotonic()
    network: list[Scores] = []
    refined: list[Scores] = []
    step(0, total)
    for scores, refined_scores in _map(judge, range(0, total, CHUNK), spectra, workers):
        network += scores
        refined += refined_scores
        seconds = time.monotonic() - started
        report(f"{len(network)} of {total} spectra judged, {len(refined)} of them refined, {seconds:.0f} s")
        step(len(network), total)
    return Judged(joined(network), joined(refined) if refined else None)


def _map(
    judge: Judge, starts: Sequence[int], spectra: Spectra, workers: int
) -> Iterator[tuple[list[Scores], list[Scores]]]:
    """The judge's answers for the chunks that begin at `starts`, in order."""
    chunks = (_chunk(spectra, start) for start in starts)
    if workers == 1:
        yield from map(judge, starts, chunks)
        return
    with processes(workers) as pool:
        yield from pool.map(judge, starts, chunks)


def _chunk(spectra: Spectra, start: int) -> Spectra:
    part = slice(start, start + CHUNK)
    return picked(spectra, part) if isinstance(spectra, Batch) else spectra[part]


def _with_truth(spectra: Spectra, model: Model, marginal: bool) -> Iterator[tuple[Observation, np.ndarray | None]]:
    """Observations and their true parameters (5,) in the unit cube, None for real ones."""
    if isinstance(spectra, Batch):
        yield from zip(spectra.observations(model.reference_response, marginal), spectra.u, strict=True)
    else:
        yield from ((obs, None) for obs in spectra)


@lru_cache(maxsize=1)
def _model(folder: Path, provider: Place) -> Model:
    """One model a process."""
    return load_model(folder, provider)
