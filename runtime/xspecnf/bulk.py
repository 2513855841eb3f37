"""Samples of many spectra and nothing else: what the network alone says of a whole population.

Spectra share calls of the encoder and, where each wants few samples, of the flow; one thread a core runs them. A
spectrum's noise is fixed by the seed and by its own counts: no other spectrum has the same, and neither order nor
company changes it. What company does change is the rounding of float32 matrix products, so that the same spectrum
among others has the same samples to float32 rounding, and bit for bit among the same others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xspecnf.backends.base import Backend
from xspecnf.batch import check_good
from xspecnf.features import stacked_features
from xspecnf.observation import Observation
from xspecnf.parameters import Parameter, from_unit
from xspecnf.sampling import call_samples, draw_each, generator
from xspecnf.threads import cores
from xspecnf.window import in_order

Float64 = NDArray[np.float64]

CHUNK_SPECTRA, CHUNK_CALLS = 256, 8
"""What a thread takes at a time, in spectra and in calls of the flow at most: enough for full speed, little enough to
share out and to hold."""


class Samples(NamedTuple):
    """What the network says of one spectrum.

    Attributes:
        theta: (S, 5) in physical units; S is smaller than asked, or 0, where the network places the posterior outside
            the prior.
        log_prob: (S,) ln density as in :class:`xspecnf.Posterior`. Its normalisation on the prior comes from the
            spectrum's own draws: where some fell outside, few samples leave it uncertain.
    """

    theta: Float64
    log_prob: Float64


def sample_all(
    backend: Backend,
    parameters: Sequence[Parameter],
    observations: Iterable[Observation],
    samples: int,
    seed: int,
    threads: int | None,
) -> Generator[Samples, None, None]:
    """Samples of each observation, in their order; observations are taken, and results kept, a few chunks at a time.

    threads: by default one a core that this process may use.

    Raises:
        InputError: an observation without a good bin.
    """
    threads = threads or cores()
    size = max(1, min(CHUNK_SPECTRA, CHUNK_CALLS * call_samples(backend) // samples))
    work = partial(_sample_chunk, backend, parameters, samples, seed)
    with ThreadPoolExecutor(threads) as executor:
        for _, future in in_order(executor, work, _chunks(observations, size), 2 * threads):
            yield from future.result()


def _sample_chunk(
    backend: Backend, parameters: Sequence[Parameter], samples: int, seed: int, observations: Sequence[Observation]
) -> list[Samples]:
    contexts = backend.encode(stacked_features(observations))
    draws = draw_each(backend, contexts, samples, [generator(seed, obs.counts) for obs in observations])
    theta = from_unit(np.concatenate([drawn.u for drawn in draws]), parameters)
    parts = np.split(theta, np.cumsum([len(drawn.u) for drawn in draws])[:-1])
    log_volume = sum(np.log(p.scaled_range) for p in parameters)
    return [Samples(part, drawn.log_q - log_volume) for part, drawn in zip(parts, draws, strict=True)]


def _chunks(observations: Iterable[Observation], size: int) -> Generator[list[Observation], None, None]:
    """Lists of `size` observations, the last one shorter. InputError for one that has nothing to infer from."""
    iterator = iter(observations)
    while chunk := list(islice(iterator, size)):
        for obs in chunk:
            check_good(obs)
        yield chunk
