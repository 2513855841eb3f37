"""Samples as comma-separated values: one row a sample, the parameters in physical units, then log_prob and weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xspecnf.posterior import Posterior


def write(posterior: Posterior, path: Path) -> None:
    """Write a header line with the names and S rows to `path`, in full double precision."""
    table = np.column_stack([posterior.theta, posterior.log_prob, posterior.weights])
    header = ",".join((*posterior.names, "log_prob", "weight"))
    np.savetxt(path, table, fmt="%.17g", delimiter=",", header=header, comments="")
