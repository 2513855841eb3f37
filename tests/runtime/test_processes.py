"""Worker processes end when whoever waits for them no longer does."""

from __future__ import annotations

import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from xspecnf.processes import processes

LONG = 60.0
"""Seconds; a test that waits for the work fails."""


def test_ctrl_c_does_not_wait_for_the_work_under_way() -> None:
    with pytest.raises(KeyboardInterrupt), processes(1) as pool:  # noqa: PT012
        pool.submit(abs, -1).result()
        futures = [pool.submit(time.sleep, LONG) for _ in range(3)]
        while not futures[0].running():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert isinstance(futures[0].exception(), BrokenProcessPool)
