"""How long the graphs take where a backend runs them."""

from __future__ import annotations

import time

import numpy as np

from xspecnf.backends.base import Backend
from xspecnf.bundle import Bundle

SAMPLES, REPEATS = 1000, 10


def time_backend(bundle: Bundle, backend: Backend) -> float:
    """Seconds on the wall for one spectrum's context and 1000 samples: the median of REPEATS calls, after one that
    opens the graphs.
    """
    spectrum = np.zeros((1, len(bundle.inputs), bundle.grid.bins), dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((1, SAMPLES, 5), dtype=np.float32)
    marks = [time.perf_counter()]
    for _ in range(REPEATS + 1):
        backend.sample(backend.encode(spectrum), noise)
        marks.append(time.perf_counter())
    return float(np.median(np.diff(marks)[1:]))
