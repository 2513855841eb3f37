"""Whether a file may be replaced: one that is empty, or a result that xspecnf wrote."""

from __future__ import annotations

import os
from pathlib import Path

PART = 2**16
"""Bytes that are looked at, at either end of a file."""

MARKS = (
    b"xspecnf",  # chains, NetCDF, scripts, pages, figures
    b"state.npy",  # .npz
    b"log_prob,weight",  # .csv
    b'"log_evidence_error"',  # .json of a posterior
    b'"minus_two_ln_likelihood"',  # .json of a fit
    b'"claimed_counts"',  # .json of an evaluation
)
"""What our results hold and other files do not."""


def replaceable(path: Path) -> bool:
    """Whether a file is empty or holds a result of ours. Raises OSError for one that cannot be read."""
    with path.open("rb") as file:
        start = file.read(PART)
        file.seek(max(os.fstat(file.fileno()).st_size - PART, 0))
        end = file.read(PART)
    return not start or any(mark in part for mark in MARKS for part in (start, end))
