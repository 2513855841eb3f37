"""The model that a user holds: a bundle, a backend, and the way from an observation to its posterior."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf import physics
from xspecnf.backends import Backend
from xspecnf.backends.onnx import OnnxBackend, ProviderName
from xspecnf.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from xspecnf.errors import InputError
from xspecnf.features import features
from xspecnf.goodness import EVALUATED, edge_mass, goodness
from xspecnf.importance import Reweighted, reweight
from xspecnf.observation import Observation, read_observation
from xspecnf.parameters import from_unit
from xspecnf.posterior import Diagnostics, Fit, Posterior
from xspecnf.response import Response
from xspecnf.sampling import Draws, draw
from xspecnf.statistics import log_likelihood
from xspecnf.verdict import Facts, Verdict, judge

Float64 = NDArray[np.float64]

PHYSICS_CHUNK = 1000
"""Parameter sets whose photon spectra are held in memory at once."""


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
        seed: seed of the noise, the same for every file: a file's result does not depend on the batch.
        refine: weigh the samples by the exact likelihood.
        rmf, arf: response files in place of those that the header names.
        background: background file in place of the header's; "none" for none on purpose.
        systematic: fractional systematic error in place of the file's own.
        reference_response: take the bundle's response where the files give none.

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
    reference_response: bool = False

    def __post_init__(self) -> None:
        _check_samples(self.samples)
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.systematic is not None and not 0 <= self.systematic < 1:
            raise ValueError(f"the systematic error is a fraction in [0, 1), got {self.systematic}")


class Model:
    """Posteriors from spectra. Make one with :func:`load_model`.

    Args:
        bundle: the validated bundle.
        backend: runs its graphs.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.backend = backend

    @property
    def reference_response(self) -> Response:
        """The instrument's response on the bundle's grid, for spectra that come without one."""
        return self.bundle.reference_response

    def expected_counts(self, theta: Float64, obs: Observation) -> Float64:
        """Exact physics folded through the observation's response.

        Args:
            theta: (S, 5) physical parameters.
            obs: gives response and exposure.

        Returns:
            (S, 240) counts of the source alone over the exposure.
        """
        theta = np.asarray(theta, dtype=np.float64)
        starts = range(0, max(len(theta), 1), PHYSICS_CHUNK)
        return np.concatenate([physics.expected_counts(theta[i : i + PHYSICS_CHUNK], obs) for i in starts])

    def infer(self, obs: Observation, samples: int = 1000, seed: int = 0, refine: bool = False) -> Posterior:
        """Draw posterior samples for one observation.

        Args:
            obs: the observation, on the bundle's grid.
            samples: how many, at least 1.
            seed: of the noise; the same seed gives the same samples.
            refine: weigh the samples by the exact likelihood, and compute effective sample size and evidence.

        Raises:
            ValueError: fewer than one sample.
            InputError: the network places the whole posterior outside the prior.
        """
        _check_samples(samples)
        started = time.perf_counter()
        # One spectrum a call: a matrix product's rounding depends on the batch, and a file's result must not.
        context = self.backend.encode(features(obs)[None])[0]
        draws = draw(self.backend, context, samples, np.random.default_rng(seed))
        if len(draws.u) == 0:
            raise InputError(
                f"{obs.name}: the network finds no parameters inside the prior for this spectrum; "
                "check that exposure, response and background belong to it"
            )
        theta = from_unit(draws.u, self.bundle.parameters)
        counts = self.expected_counts(theta if refine else theta[:EVALUATED], obs)
        reweighted = reweight(log_likelihood(counts, obs), draws.log_q) if refine else None
        weights = np.full(len(theta), 1 / len(theta)) if reweighted is None else reweighted.weights
        fit = goodness(theta, weights, counts, obs)
        verdict = judge(self._facts(obs, theta, weights, fit, draws, reweighted))
        return Posterior(
            file=obs.name,
            model=self.bundle.name,
            seed=seed,
            parameters=self.bundle.parameters,
            theta=theta,
            log_prob=draws.log_q - sum(np.log(p.scaled_range) for p in self.bundle.parameters),
            weights=weights,
            fit=fit,
            diagnostics=_diagnostics(verdict, draws, reweighted),
            seconds=time.perf_counter() - started,
            notes=obs.notes,
        )

    def infer_many(
        self,
        paths: Iterable[str | Path],
        samples: int = 1000,
        seed: int = 0,
        refine: bool = False,
        executor: Executor | None = None,
        *,
        rmf: str | Path | None = None,
        arf: str | Path | None = None,
        background: str | Path | None = None,
        systematic: float | None = None,
        reference_response: bool = False,
    ) -> Iterator[Posterior | Failure]:
        """Read and infer many files; results come in the order of `paths`, a bad file yields a :class:`Failure`.

        Args:
            paths: PHA files.
            samples, seed, refine: as for :meth:`infer`, the same for every file.
            executor: runs the files, any `concurrent.futures.Executor`; its workers load the bundle once each.
            rmf, arf, background, systematic: as for :func:`xspecnf.read_observation`, the same for every file.
            reference_response: take the bundle's response where the files give none.

        Raises:
            ValueError: an argument outside its range, before anything is read.
        """
        job = Job(samples, seed, refine, rmf, arf, background, systematic, reference_response)
        if executor is None:
            return (run_job(self, path, job) for path in paths)
        return executor.map(partial(_run_in_worker, self.bundle.path, self.backend.provider, job), paths)

    def _facts(
        self,
        obs: Observation,
        theta: Float64,
        weights: Float64,
        fit: Fit,
        draws: Draws,
        reweighted: Reweighted | None,
    ) -> Facts:
        good = obs.good
        return Facts(
            counts=float(obs.counts[good].sum()),
            background=float(obs.background[good].sum()),
            background_error=float(np.sqrt(np.sum(obs.background_error[good] ** 2))),
            bad_fraction=float(1 - good.mean()),
            has_background=obs.has_background,
            reference_response=obs.response.name == self.reference_response.name,
            statistic=fit.best,
            dof=fit.dof,
            edge_mass=edge_mass(theta, weights, self.bundle.parameters),
            acceptance=draws.acceptance,
            ess=reweighted.ess if reweighted else None,
            efficiency=reweighted.efficiency if reweighted else None,
        )


def load_model(name_or_path: str | Path = DEFAULT_BUNDLE, provider: ProviderName = "auto") -> Model:
    """Load a shipped model by name or any bundle by path; the graphs are opened when first used.

    Raises:
        BundleError: no such bundle, or a damaged one.
        ProviderError: the provider asked for is not available.
    """
    bundle = load_bundle(name_or_path)
    return Model(bundle, OnnxBackend(bundle, provider))


def run_job(model: Model, path: str | Path, job: Job) -> Posterior | Failure:
    """Read one file and infer; whatever goes wrong with it comes back as a Failure, so that a batch goes on."""
    try:
        obs = read_observation(
            path,
            rmf=job.rmf,
            arf=job.arf,
            background=job.background,
            systematic=job.systematic,
            reference=model.reference_response if job.reference_response else None,
            grid=model.bundle.grid,
        )
        return replace(model.infer(obs, job.samples, job.seed, job.refine), file=str(path))
    except Exception as error:  # a file that breaks an assumption of ours must not stop the other files either
        return Failure(str(path), error)


_worker_model = lru_cache(maxsize=4)(load_model)
"""One model a process and bundle, however many files the executor sends there."""


def _run_in_worker(folder: Path, provider: ProviderName, job: Job, path: str | Path) -> Posterior | Failure:
    return run_job(_worker_model(folder, provider), path, job)


def _diagnostics(verdict: Verdict, draws: Draws, reweighted: Reweighted | None) -> Diagnostics:
    return Diagnostics(
        verdict=verdict.level,
        flags=verdict.flags,
        acceptance=draws.acceptance,
        ess=reweighted.ess if reweighted else None,
        efficiency=reweighted.efficiency if reweighted else None,
        log_evidence=reweighted.log_evidence if reweighted else None,
        log_evidence_error=reweighted.log_evidence_error if reweighted else None,
    )


def _check_samples(samples: int) -> None:
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")

