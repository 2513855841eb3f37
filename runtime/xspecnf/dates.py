"""When a spectrum was taken, from its header: for light curves of parameters, not for timing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NICER_MJDREF = 56658 + 0.000777592592592593
"""Zero of NICER's clock in days of TT: extraction tools drop MJDREFI and MJDREFF, but count from there."""

DAY = 86400.0


def middle(header: Mapping[str, Any]) -> float:
    """MJD of the middle of the observation, NaN where the header does not tell.

    From TSTART and TSTOP, which count from MJDREF (or MJDREFI + MJDREFF; NICER's own where both are absent), else from
    MJD-OBS, the start.
    """
    start, stop = _number(header, "TSTART"), _number(header, "TSTOP")
    reference = _number(header, "MJDREF")
    if reference is None and header.get("MJDREFI") is not None:
        reference = (_number(header, "MJDREFI") or 0.0) + (_number(header, "MJDREFF") or 0.0)
    if reference is None and str(header.get("TELESCOP", "")).strip().upper() == "NICER":
        reference = NICER_MJDREF
    if start is None or stop is None or reference is None:
        begin = _number(header, "MJD-OBS")
        return float("nan") if begin is None else begin
    return reference + (start + stop) / 2 / DAY


def _number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
