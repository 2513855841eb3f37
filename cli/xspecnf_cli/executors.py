"""Who runs the files of a batch: this process, several of them, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from concurrent.futures import Executor


def executor(jobs: int, scheduler: str | None) -> AbstractContextManager[Executor | None]:
    """What runs the files, None for this process; work that has not begun when it is left is dropped.

    Raises:
        typer.BadParameter: both processes and a cluster were asked for.
        MissingExtraError: a cluster, but distributed is not installed.
        OSError: no scheduler answers at that address.
    """
    if scheduler is not None:
        if jobs > 1:
            raise typer.BadParameter("use --jobs or --scheduler, not both: a cluster has workers of its own")
        return _cluster(scheduler)
    if jobs == 1:
        return nullcontext()
    from xspecnf.processes import processes

    return processes(jobs)


@contextmanager
def _cluster(scheduler: str) -> Iterator[Executor]:
    from xspecnf.extras import require

    distributed = require("distributed", "cluster", "--scheduler")
    with distributed.Client(scheduler, set_as_default=False) as client:
        workers = client.get_executor(pure=False)  # a file that comes twice is two tasks
        try:
            yield workers
        finally:
            workers.shutdown(wait=False)
