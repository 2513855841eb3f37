"""Work handed to an executor a few pieces at a time, so that what has not been asked for yet takes no memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    executor: Executor, work: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Each item with the future of `work(item)`, in the order of `items`, which are taken when their turn comes.

    At most `window` items are under way or finished and not yet yielded; those that nobody asks for any more are
    cancelled when the generator is closed. `Executor.map` would take all items at once and keep all results.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) >= window:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()
