"""Draw from the flow inside the prior.

The first four coordinates of the flow stay in the unit cube by construction; the brightness coordinate that carries
norm may leave it, where the prior is zero. Such draws are replaced by fresh ones, which samples the flow truncated to
the prior: q'(u) = q(u)/a inside, with the acceptance a estimated from all the draws that were made.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.backends.base import Backend, Float32

Float64 = NDArray[np.float64]

CALL_SAMPLES = 2000
"""Samples per call of the flow, of one spectrum or of several: the fastest size measured, and it bounds memory."""

CUDA_CALL_SAMPLES = 200_000
"""The same on a GPU, which starts thousands of kernels a call: a guess from their number, not a measurement."""

GIVE_UP = 10
"""Draws over samples wanted after which a posterior is taken to lie outside the prior."""

REDRAWN = 50
"""Draws of a later round beyond those that it is likely to need: they cost little beside the call of the flow."""


@dataclass(frozen=True)
class Draws:
    """Samples of the flow inside the prior.

    Attributes:
        u: (S, 5) unit-cube coordinates, float64; S is smaller than asked only where too many fell outside the prior.
        log_q: (S,) log density of the truncated flow with respect to u.
        made, kept: raw draws, and those inside the prior, of which u are the first.
    """

    u: Float64
    log_q: Float64
    made: int
    kept: int

    @property
    def acceptance(self) -> float:
        """Fraction of the raw draws that fell inside the prior."""
        return self.kept / self.made

    @property
    def log_acceptance_error(self) -> float:
        """Standard deviation of its logarithm, which log_q has in common; infinite where nothing was kept."""
        return math.sqrt((1 - self.acceptance) / self.kept) if self.kept else math.inf


def joined(parts: Sequence[Draws]) -> Draws:
    """Several draws of one spectrum as one, with the acceptance of them all."""
    made, kept = (sum(numbers) for numbers in zip(*((part.made, part.kept) for part in parts), strict=True))
    log_q = [part.log_q + np.log(part.acceptance * made / kept) for part in parts if part.kept]
    return Draws(np.concatenate([part.u for part in parts]), np.concatenate([*log_q, np.empty(0)]), made, kept)


class Raw:
    """Draws of one spectrum's flow, round by round, of which those inside the prior are kept."""

    def __init__(self) -> None:
        self.made, self.kept = 0, 0
        self.rounds: list[tuple[Float64, Float64]] = []

    def add(self, u: Float64, log_q: Float64) -> None:
        """Take a round: u (N, 5) and its log density (N,)."""
        inside = np.isfinite(log_q) & np.all((u >= 0) & (u <= 1), axis=1)
        self.rounds.append((u[inside], log_q[inside]))
        self.made += len(u)
        self.kept += int(inside.sum())

    def needed(self, samples: int) -> int:
        """Draws that are likely to complete `samples`, and no more than `samples` where many fell outside."""
        missing = (samples - self.kept) * self.made / max(self.kept, 1)
        return min(math.ceil(missing), samples) + REDRAWN

    def truncated(self, samples: int) -> Draws:
        """The first of those inside, as draws of the truncated flow."""
        u, log_q = (np.concatenate(parts)[:samples] for parts in zip(*self.rounds, strict=True))
        return Draws(u, log_q - math.log(self.kept / self.made) if self.kept else log_q, self.made, self.kept)


def generator(seed: int, counts: Float64, stream: int = 0) -> np.random.Generator:
    """The generator of the noise of the spectrum with these counts (bins,): other spectra, and streams, have others.

    Samples of a population can be put together by their place in each spectrum's: they are independent.
    """
    return np.random.default_rng([seed, zlib.crc32(counts.tobytes()), stream])


def call_samples(backend: Backend) -> int:
    """Samples per call of the flow where the backend runs."""
    return CUDA_CALL_SAMPLES if backend.provider == "cuda" else CALL_SAMPLES


def draw(backend: Backend, context: Float32, samples: int, rng: np.random.Generator) -> Draws:
    """Draw `samples` points inside the prior for one spectrum's context (C,); the generator's state fixes them."""
    return draw_each(backend, context[None], samples, [rng])[0]


def draw_each(backend: Backend, contexts: Float32, samples: int, rngs: Sequence[np.random.Generator]) -> list[Draws]:
    """Draw `samples` points inside the prior for each of the contexts (B, C), whose generators fix them."""
    raw = [Raw() for _ in rngs]
    lacking, size = range(len(rngs)), samples
    while lacking:
        u, log_q = _run_flow(backend, contexts[lacking], size, [rngs[k] for k in lacking])
        for k, *drawn in zip(lacking, u, log_q, strict=True):
            raw[k].add(*drawn)
        lacking = [k for k in lacking if raw[k].kept < samples and raw[k].made < GIVE_UP * samples]
        size = max((raw[k].needed(samples) for k in lacking), default=0)
    return [one.truncated(samples) for one in raw]


def _run_flow(
    backend: Backend, contexts: Float32, samples: int, rngs: Sequence[np.random.Generator]
) -> tuple[Float64, Float64]:
    """Raw draws (B, S, 5) and their log densities (B, S)."""
    u, log_q = np.empty((len(rngs), samples, 5)), np.empty((len(rngs), samples))
    most = call_samples(backend)
    together = max(1, most // samples)
    for first in range(0, len(rngs), together):
        rows = slice(first, first + together)
        for start in range(0, samples, most):
            part = slice(start, min(start + most, samples))
            shape = (part.stop - start, 5)
            noise = np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in rngs[rows]])
            u[rows, part], log_q[rows, part] = backend.sample(contexts[rows], noise)
    return u, log_q
