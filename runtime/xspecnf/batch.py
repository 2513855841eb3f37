"""Many files with the same options: in order, each by itself, a failure being a result like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from xspecnf.backends.base import Place
from xspecnf.errors import InputError, XspecnfError
from xspecnf.observation import Observation, read_observation
from xspecnf.posterior import Posterior
from xspecnf.window import in_order

if TYPE_CHECKING:
    from xspecnf.model import Model

WINDOW = 128
"""Files under way at once: more than most executors have workers; their results take some ten megabytes."""

WINDOW_KEPT = 16
"""The same where results keep their observations, whose responses take megabytes each."""


@dataclass(frozen=True)
class Failure:
    """An observation of a batch that could not be done: its file and the error that says why."""

    file: str
    error: Exception


@dataclass(frozen=True)
class Job:
    """What to do with every file of a batch.

    Attributes:
        samples: posterior samples, at least 1.
        seed: of the noise, which each file's counts make its own: a file's result does not depend on the batch.
        refine: weigh the samples by the exact likelihood.
        rmf, arf: response files in place of those that the header names.
        background: background file in place of the header's; "none" for none on purpose.
        systematic: fractional systematic error in place of the file's own.
        marginal: integrate the likelihood over the background's error.
        reference_response: take the bundle's response where the files give none.
        keep_observation: leave it in the results.

    Raises:
        ValueError: fewer than one sample, a negative seed, or a systematic error outside [0, 1).
    """

    samples: int = 1000
    seed: int = 0
    refine: bool = False
    rmf: str | Path | None = None
    arf: str | Path | None = None
    background: str | Path | None = None
    systematic: float | None = None
    marginal: bool = False
    reference_response: bool = False
    keep_observation: bool = False

    def __post_init__(self) -> None:
        check_draw(self.samples, self.seed)
        if self.systematic is not None and not 0 <= self.systematic < 1:
            raise ValueError(f"the systematic error is a fraction in [0, 1), got {self.systematic}")

    def read(self, path: str | Path, model: Model) -> Observation:
        """One file's observation on the model's grid. Raises InputError for whatever cannot be used."""
        return read_observation(
            path,
            rmf=self.rmf,
            arf=self.arf,
            background=self.background,
            systematic=self.systematic,
            marginal=self.marginal,
            reference=model.reference_response if self.reference_response else None,
            grid=model.bundle.grid,
        )


def check_draw(samples: int, seed: int) -> None:
    """Raise ValueError for fewer than one sample or a negative seed."""
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")


def check_good(obs: Observation) -> None:
    """Raise InputError for an observation without a good bin."""
    if not obs.good.any():
        raise InputError(f"{obs.name}: every bin holds channels of bad quality; nothing is left to infer from")


def run_all(
    model: Model, paths: Iterable[str | Path], job: Job, executor: Executor | None = None, window: int = WINDOW
) -> Iterator[Posterior | Failure]:
    """Run `job` on every file, here or on the executor's workers; results come in the order of `paths`.

    Paths are taken and results kept for at most `window` files at a time, however many there are; for WINDOW_KEPT
    where the results keep their observations.

    Raises:
        ValueError: a window of no file.
        XspecnfError: when its turn comes, a worker has died and the executor takes no more.
    """
    if window < 1:
        raise ValueError(f"the window must hold at least 1 file, got {window}")
    if executor is None:
        return (run_one(model, path, job) for path in paths)
    work = partial(_run_in_worker, model.bundle.path, model.backend.provider, job)
    window = min(window, WINDOW_KEPT) if job.keep_observation else window
    return _results(in_order(executor, work, paths, window))


def _results(batch: Iterator[tuple[str | Path, Future[Posterior | Failure]]]) -> Iterator[Posterior | Failure]:
    """Each file's result; a Failure also where a worker could not send what it had.

    Raises XspecnfError where a worker died and its executor with it: not one of the files that follow can be done.
    """
    path: str | Path = "the first file"
    try:
        for path, future in batch:
            yield _result(path, future)
    except BrokenExecutor as error:
        raise XspecnfError(
            f"{path}: a worker process died at this file or one of the next few (killed, or out of memory?); what was "
            "finished is kept: run again, with fewer processes, or with one to see which file it is"
        ) from error


def _result(path: str | Path, future: Future[Posterior | Failure]) -> Posterior | Failure:
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:
        return Failure(str(path), error)


def run_one(model: Model, path: str | Path, job: Job) -> Posterior | Failure:
    """Read one file and infer; whatever goes wrong with it comes back as a Failure, so that a batch goes on."""
    try:
        obs = job.read(path, model)
        posterior = model.infer(obs, job.samples, job.seed, job.refine)
        return replace(posterior, file=str(path), observation=obs if job.keep_observation else None)
    except Exception as error:  # a file that breaks an assumption of ours must not stop the other files either
        return Failure(str(path), error)


def _run_in_worker(folder: Path, provider: Place, job: Job, path: str | Path) -> Posterior | Failure:
    return run_one(_worker_model(folder, provider), path, job)


@lru_cache(maxsize=4)
def _worker_model(folder: Path, provider: Place) -> Model:
    """One model a process and bundle, however many files the executor sends there; the other cores have workers too."""
    from xspecnf.model import load_model

    model = load_model(folder, provider)
    model.threads = 1
    return model
