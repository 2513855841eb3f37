"""Samples as comma-separated values: one row a sample, the parameters in physical units, then log_prob and weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xspecnf.atomic import atomically

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior


CHUNK = 10_000
"""Rows that are text in memory at once."""


def write(posterior: Posterior, path: Path) -> None:
    """Write a header line with the names and S rows to `path`, in full double precision."""
    header = ",".join((*posterior.names, "log_prob", "weight"))
    with atomically(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(header + "\n")
        for start in range(0, len(posterior.theta), CHUNK):
            rows = slice(start, start + CHUNK)
            columns = (posterior.theta[rows], posterior.log_prob[rows], posterior.weights[rows])
            np.savetxt(file, np.column_stack(columns), fmt="%.17g", delimiter=",")
