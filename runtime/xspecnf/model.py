"""The model that a user holds: a bundle, a backend, and the way from an observation to its posterior."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from xspecnf import physics
from xspecnf.adaptive import PILOT, refine_draws
from xspecnf.backends import Backend
from xspecnf.backends.base import Float32
from xspecnf.backends.opening import open_backend
from xspecnf.backends.providers import ProviderName
from xspecnf.batch import WINDOW, Failure, Job, check_draw, check_good, run_all
from xspecnf.bestfit import BestFit, fit
from xspecnf.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from xspecnf.errors import InputError, XspecnfError
from xspecnf.features import FEATURES, features
from xspecnf.goodness import EVALUATED, Assessed, assess_draws, assess_refined, diagnose, look_at
from xspecnf.observation import Observation
from xspecnf.posterior import Posterior
from xspecnf.response import Response
from xspecnf.sampling import Draws, draw, generator, joined
from xspecnf.target import Target
from xspecnf.threads import InTurn, cores

if TYPE_CHECKING:
    from xspecnf.bulk import Samples

Float64 = NDArray[np.float64]

FIT_CANDIDATES = 300
"""Draws of the network among which a fit chooses its starts."""

REHEARSED = 1000
"""Samples of a rehearsal: as many as are usual, so that memory for them is there."""

PHYSICS_CHUNK = 1000
"""Parameter sets whose photon spectra are held in memory at once."""


class Model:
    """Posteriors from spectra. Make one with :func:`load_model`.

    Args:
        bundle: the validated bundle.
        backend: runs its graphs.

    Attributes:
        threads: that :meth:`infer` works in, 2 where this process has the cores. Results do not depend on it.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.backend = backend
        self.threads = min(cores(), 2)

    def __repr__(self) -> str:
        return f"Model({self.bundle.name} {self.bundle.version} on {self.backend.provider})"

    def warm_up(self) -> None:
        """Begin to open the graphs, in a thread of their own, while the caller reads files; inference waits for it."""
        Thread(target=_rehearse, args=(self.backend, self.reference_response.grid.bins)).start()

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
            (S, bins) counts of the source alone over the exposure.
        """
        theta = np.asarray(theta, dtype=np.float64)
        counts = np.empty((len(theta), len(obs.counts)))
        for start in range(0, len(theta), PHYSICS_CHUNK):
            part = slice(start, start + PHYSICS_CHUNK)
            counts[part] = physics.expected_counts(theta[part], obs)
        return counts

    def infer(self, obs: Observation, samples: int = 1000, seed: int = 0, refine: bool = False) -> Posterior:
        """Draw posterior samples for one observation.

        Args:
            obs: the observation, on the bundle's grid.
            samples: how many, at least 1.
            seed: of the noise, which differs between observations and depends on nothing but seed and counts.
            refine: make the samples those of the exact likelihood, chosen by weight among the network's draws or,
                where that is better, those of an adapted proposal or of MCMC, and compute effective sample size and
                evidence. What the samples are worth is `diagnostics.ess`.

        Raises:
            ValueError: fewer than one sample, or a negative seed.
            InputError: no bin is good, or the network places the whole posterior outside the prior.
        """
        check_draw(samples, seed)
        check_good(obs)
        started = time.perf_counter()
        context = self._context(obs)
        target = Target(obs, self.bundle.parameters, partial(physics.expected_counts, obs=obs))
        assess = self._refined if refine else self._assessed
        assessed, acceptance = assess(target, context, samples, *(generator(seed, obs.counts, k) for k in range(3)))
        return Posterior(
            file=obs.name,
            model=self.bundle.name,
            seed=seed,
            parameters=self.bundle.parameters,
            theta=assessed.theta,
            log_prob=assessed.log_q - sum(np.log(p.scaled_range) for p in self.bundle.parameters),
            weights=assessed.weights,
            fit=assessed.fit,
            diagnostics=diagnose(obs, assessed, acceptance, self.bundle, context),
            seconds=time.perf_counter() - started,
            notes=obs.notes,
            mjd=obs.mjd,
            files=obs.files,
            observation=obs,
        )

    def sample(
        self, observations: Iterable[Observation], samples: int = 1000, seed: int = 0, threads: int | None = None
    ) -> Iterator[Samples]:
        """The network's samples of many observations, as fast as it gives them: no exact physics, no verdict.

        For populations: what :meth:`infer` computes beyond theta and log_prob, and what says whether to believe them,
        costs more than the samples. Observations are taken from the iterable as their turn comes.

        Args:
            observations: on the bundle's grid.
            samples: of each, at least 1.
            seed: of the noise, which differs between observations and depends on nothing but seed and counts.
            threads: by default one a core.

        Yields:
            theta (S, 5) and log_prob (S,) of each observation, in order; see :class:`xspecnf.bulk.Samples`.

        Raises:
            ValueError: fewer than one sample or thread, or a negative seed.
            InputError: when its turn comes, an observation without a good bin or on another grid.
        """
        from xspecnf.bulk import sample_all

        check_draw(samples, seed)
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        on_grid = map(self._on_grid, observations)
        return sample_all(self.backend, self.bundle.parameters, on_grid, samples, seed, threads)

    def infer_many(
        self,
        paths: Iterable[str | Path],
        samples: int = 1000,
        seed: int = 0,
        refine: bool = False,
        executor: Executor | None = None,
        *,
        window: int = WINDOW,
        rmf: str | Path | None = None,
        arf: str | Path | None = None,
        background: str | Path | None = None,
        systematic: float | None = None,
        marginal: bool = False,
        reference_response: bool = False,
        keep_observation: bool = False,
    ) -> Iterator[Posterior | Failure]:
        """Read and infer many files; results come in the order of `paths`, a bad file yields a :class:`Failure`.

        Args:
            paths: PHA files, a row of a type II file as `obs.pha{3}`; a generator is read as its files' turn comes.
            samples, seed, refine: as for :meth:`infer`, the same for every file.
            executor: runs the files, any `concurrent.futures.Executor`; its workers load the bundle once each and
                find bundle and files under the same paths.
            window: so many files at most are handed to the executor or wait to be yielded; more than its workers.
            rmf, arf, background, systematic, marginal: as for :func:`xspecnf.read_observation`, the same for every
                file.
            reference_response: take the bundle's response where the files give none.
            keep_observation: leave it in the results, megabytes each: chain files are made from it.

        Raises:
            ValueError: an argument outside its range, before anything is read.
        """
        job = Job(
            samples, seed, refine, rmf, arf, background, systematic, marginal, reference_response, keep_observation
        )
        return run_all(self, paths, job, executor, window)

    def fit(self, obs: Observation, seed: int = 0) -> BestFit:
        """The maximum-likelihood fit of one observation, started from the network's posterior and all over the prior.

        :func:`xspecnf.bestfit.fit` does the same without a network.

        Raises:
            ValueError: a negative seed.
            InputError: no bin is good, or the likelihood is zero everywhere.
        """
        check_draw(FIT_CANDIDATES, seed)
        u = draw(self.backend, self._context(obs), FIT_CANDIDATES, generator(seed, obs.counts)).u
        return fit(obs, u, self.bundle.parameters)

    def _context(self, obs: Observation) -> Float32:
        """What the encoder makes of an observation (C,)."""
        # One spectrum a call: a matrix product's rounding depends on the batch, and a file's result must not.
        return self.backend.encode(features(self._on_grid(obs))[None])[0]

    def _on_grid(self, obs: Observation) -> Observation:
        """The observation itself; InputError when it is on another grid than the bundle's."""
        grid = self.bundle.grid
        if obs.response.grid != grid:
            raise InputError(
                f"{obs.name}: on {obs.response.grid.bins} bins of {obs.response.grid.detector}, the bundle "
                f"{self.bundle.name} takes {grid.bins} bins of {grid.detector}; read it with grid=model.bundle.grid or "
                "load the bundle of its instrument"
            )
        return obs

    def _assessed(
        self, target: Target, context: Float32, samples: int, noise: Generator, further: Generator, checking: Generator
    ) -> tuple[Assessed, float]:
        """The network's samples and its acceptance; the first are looked at while another thread draws the rest."""
        with ThreadPoolExecutor(1) if self.threads > 1 else InTurn() as thread:
            rest = samples - EVALUATED
            others = [thread.submit(draw, self.backend, context, rest, further)] if rest > 0 else []
            first = draw(self.backend, context, min(samples, EVALUATED), noise)
            looked_at = look_at(target, first, checking) if len(first.u) else None
            draws = _some(joined([first, *(other.result() for other in others)]), target.obs)
        return assess_draws(target, draws, looked_at or look_at(target, draws, checking)), draws.acceptance

    def _refined(
        self, target: Target, context: Float32, samples: int, noise: Generator, further: Generator, checking: Generator
    ) -> tuple[Assessed, float]:
        """Samples of the exact likelihood, and the network's acceptance."""

        def network(size: int) -> Draws:
            return _some(draw(self.backend, context, size, noise), target.obs)

        draws = network(PILOT)
        return assess_refined(
            target, refine_draws(target, draws, network, samples, further), checking
        ), draws.acceptance


def _rehearse(backend: Backend, bins: int) -> None:
    """Run encoder and flow once; a fault is left to whoever uses them, in a thread that somebody listens to."""
    with suppress(XspecnfError):
        context = backend.encode(np.zeros((1, len(FEATURES), bins), dtype=np.float32))
        backend.sample(context, np.zeros((1, REHEARSED, 5), dtype=np.float32))


def _some(draws: Draws, obs: Observation) -> Draws:
    """Draws that are any; InputError where there are none."""
    if len(draws.u) == 0:
        raise InputError(
            f"{obs.name}: the network finds no parameters inside the prior for this spectrum; "
            "check that exposure, response and background belong to it"
        )
    return draws


def load_model(name_or_path: str | Path = DEFAULT_BUNDLE, provider: ProviderName = "auto") -> Model:
    """Load a shipped model by name or any bundle by path; the graphs are opened when first used.

    Raises:
        BundleError: no such bundle, or a damaged one.
        ProviderError: the provider asked for is not available.
    """
    bundle = load_bundle(name_or_path)
    return Model(bundle, open_backend(bundle, provider))
