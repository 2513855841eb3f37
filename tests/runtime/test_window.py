"""Results in order from an executor that never holds more than a window of work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice

import pytest

from xspecnf.window import in_order


def counted(taken: list[int]) -> Iterator[int]:
    """0, 1, 2, ... without an end; `taken` remembers those that were asked for."""
    for k in count():
        taken.append(k)
        yield k


@pytest.mark.parametrize("window", [1, 3, 8])
def test_endless_work_is_taken_a_window_at_a_time(window: int) -> None:
    taken: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        results = in_order(executor, lambda k: k * k, counted(taken), window)
        for done, (item, future) in enumerate(islice(results, 20)):
            assert (item, future.result()) == (done, done * done)
            assert len(taken) == done + window
        results.close()


def test_a_slow_first_item_keeps_its_place() -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(2) as executor:
        results = in_order(executor, lambda k: gate.wait(10) if k == 0 else gate.set(), range(2), window=2)
        assert [item for item, future in results if future.result() is not False] == [0, 1]


def test_what_nobody_asks_for_any_more_is_cancelled() -> None:
    gate = threading.Event()
    futures: list[Future[bool]] = []

    class Recording(ThreadPoolExecutor):
        def submit(self, *args, **kwargs):  # type: ignore[override]
            futures.append(super().submit(*args, **kwargs))
            return futures[-1]

    with Recording(1) as executor:
        results = in_order(executor, lambda _: gate.wait(10), range(100), window=5)
        next(results)
        results.close()
        gate.set()
    assert len(futures) == 5
    assert all(future.cancelled() for future in futures[2:])
