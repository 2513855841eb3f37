"""Samples as comma-separated values: one row a sample, the parameters in physical units, then log_prob and weight."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xspecnf.atomic import write_atomically

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior


def write(posterior: Posterior, path: Path) -> None:
    """Write a header line with the names and S rows to `path`, in full double precision."""
    table = np.column_stack([posterior.theta, posterior.log_prob, posterior.weights])
    header = ",".join((*posterior.names, "log_prob", "weight"))
    text = io.StringIO()
    np.savetxt(text, table, fmt="%.17g", delimiter=",", header=header, comments="")
    write_atomically(path, text.getvalue())
