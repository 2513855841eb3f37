"""Draw from the flow inside the prior.

The first four coordinates of the flow stay in the unit cube by construction; the brightness coordinate that carries
norm may leave it, where the prior is zero. Such draws are replaced by fresh ones, which samples the flow truncated to
the prior: q'(u) = q(u)/a inside, with the acceptance a estimated from all the draws that were made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.backends.base import Backend, Float32

CALL_SAMPLES = 2000
"""Samples per call of the flow: the fastest size measured, and it bounds memory."""

MAX_ROUNDS = 10
"""At most this many times the wanted number is drawn before giving up on a posterior that lies outside the prior."""


@dataclass(frozen=True)
class Draws:
    """Samples of the flow inside the prior.

    Attributes:
        u: (S, 5) unit-cube coordinates, float64; S is smaller than asked only where MAX_ROUNDS did not suffice.
        log_q: (S,) log density of the truncated flow with respect to u.
        acceptance: fraction of the raw draws that fell inside the prior.
    """

    u: NDArray[np.float64]
    log_q: NDArray[np.float64]
    acceptance: float


def draw(backend: Backend, context: Float32, samples: int, rng: np.random.Generator) -> Draws:
    """Draw `samples` points inside the prior for one spectrum's context (C,); the generator's state fixes them."""
    rounds: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    kept = 0
    while kept < samples and len(rounds) < MAX_ROUNDS:
        noise = rng.standard_normal((samples, 5), dtype=np.float32)
        u, log_q = _run_flow(backend, context, noise)
        inside = np.isfinite(log_q) & np.all((u >= 0) & (u <= 1), axis=1)
        rounds.append((u[inside], log_q[inside]))
        kept += int(inside.sum())
    acceptance = kept / (samples * max(len(rounds), 1))
    u = np.concatenate([part for part, _ in rounds])[:samples]
    log_q = np.concatenate([part for _, part in rounds])[:samples]
    return Draws(u, log_q - np.log(acceptance) if kept else log_q, acceptance)


def _run_flow(backend: Backend, context: Float32, noise: Float32) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parts = [
        backend.sample(context[None], noise[None, start : start + CALL_SAMPLES])
        for start in range(0, len(noise), CALL_SAMPLES)
    ]
    u = np.concatenate([theta[0] for theta, _ in parts])
    log_q = np.concatenate([log_prob[0] for _, log_prob in parts])
    return u.astype(np.float64), log_q.astype(np.float64)
