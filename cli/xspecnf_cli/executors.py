"""Who runs the files of a batch: this process, several of them, or the workers of a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from concurrent.futures import Executor

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def executor(jobs: int, scheduler: str | None) -> AbstractContextManager[Executor | None]:
    """What runs the files, None for this process; work that has not begun when it is left is dropped.

    Raises:
        typer.BadParameter: both processes and a cluster were asked for.
        MissingExtraError: a cluster, but distributed is not installed.
        OSError: no scheduler answers at that address.
    """
    if scheduler is None:
        return _processes(jobs) if jobs > 1 else nullcontext()
    if jobs > 1:
        raise typer.BadParameter("use --jobs or --scheduler, not both: a cluster has workers of its own")
    return _cluster(scheduler)


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Spawned, for a fork would copy the locks of threads that numpy and onnxruntime have started.
    workers = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_one_thread_each)
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def _one_thread_each() -> None:
    """Keep matrix products to one core, before numpy is imported: the other cores have processes of their own."""
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")


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
