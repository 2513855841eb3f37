"""How long the graphs take on each provider that works here."""

from __future__ import annotations

import time
from typing import get_args

import numpy as np

from xspecnf.backends.base import Backend, Place
from xspecnf.backends.opening import open_backend
from xspecnf.bundle import Bundle
from xspecnf.errors import XspecnfError

SAMPLES, REPEATS = 1000, 10


def time_providers(bundle: Bundle) -> dict[Place, float]:
    """Seconds for one spectrum's context and 1000 samples, by provider; those that do not start here are left out."""
    times: dict[Place, float] = {}
    for provider in get_args(Place):
        try:
            times[provider] = time_backend(open_backend(bundle, provider), len(bundle.inputs), bundle.grid.bins)
        except XspecnfError:
            continue
    return times


def time_backend(backend: Backend, channels: int, bins: int) -> float:
    """The median of REPEATS calls, after one that opens the graphs, by the clock on the wall."""
    spectrum = np.zeros((1, channels, bins), dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((1, SAMPLES, 5), dtype=np.float32)
    marks = [time.perf_counter()]
    for _ in range(REPEATS + 1):
        backend.sample(backend.encode(spectrum), noise)
        marks.append(time.perf_counter())
    return float(np.median(np.diff(marks)[1:]))
