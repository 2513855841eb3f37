"""When a spectrum was taken."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from xspecnf.dates import NICER_MJDREF, middle
from xspecnf.observation import read_observation

CLOCK = {"TSTART": 86400.0, "TSTOP": 2 * 86400.0}


@pytest.mark.parametrize(
    ("header", "mjd"),
    [
        ({**CLOCK, "MJDREFI": 50000, "MJDREFF": 0.25}, 50001.75),
        ({**CLOCK, "MJDREF": 50000.0}, 50001.5),
        ({**CLOCK, "TELESCOP": "NICER"}, NICER_MJDREF + 1.5),
        ({**CLOCK, "MJD-OBS": 51000.5}, 51000.5),
        ({"MJD-OBS": 51000}, 51000.0),
        ({"TSTART": "yesterday", "TSTOP": 3.0, "MJDREF": 5.0}, math.nan),
        (CLOCK, math.nan),
        ({}, math.nan),
    ],
)
def test_the_middle_of_an_observation(header: dict[str, object], mjd: float) -> None:
    assert middle(header) == pytest.approx(mjd, nan_ok=True)


def test_the_example_was_taken_in_march_2018(example: Path) -> None:
    """DATE-OBS 2018-03-21T09:17:39, DATE-END T23:15:40; an independent reading of the header by astropy's times."""
    from astropy.time import Time

    begin, end = Time("2018-03-21T09:17:39"), Time("2018-03-21T23:15:40")
    assert read_observation(example).mjd == pytest.approx((begin.mjd + end.mjd) / 2, abs=2e-3)


def test_a_file_without_reference_counts_on_nicers_clock(shared: Path) -> None:
    """These files keep TSTART and an MJDSTART of their own, and no MJDREF."""
    from astropy.io import fits

    path = next((shared / "nicer" / "maxi_j1535" / "1050360113").glob("*GTI5.jsgrp"))
    header = fits.getheader(path, "SPECTRUM")
    assert middle(header) == pytest.approx((header["MJDSTART"] + header["MJDSTOP"]) / 2, abs=2e-3)
