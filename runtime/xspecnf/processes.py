"""Worker processes: one core each, and none outlives the process that started it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, connection, get_context, parent_process
from threading import Thread

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """An executor of so many processes; when it is left, work that has not begun is dropped, after Ctrl-C all work."""
    # Spawned, for a fork would copy the locks of threads that numpy and onnxruntime have started.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin)
    others = set(active_children())
    try:
        yield pool
    except KeyboardInterrupt:
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Keep matrix products to one core, before numpy is imported: the other cores have processes of their own."""
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them, and is the parent's to answer
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent tells its workers nothing; they would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
