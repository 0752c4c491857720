"""Work ahead of what is asked for: many items under way at once, results in order, memory that stays flat."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver, get_context
from typing import Any

from cmr2ecg.freed_memory import keep_freed_memory


@contextmanager
def start_pool(workers: int, preload: str) -> Iterator[Executor]:
    """Yield a pool of processes with one thread each, started afresh, so that they hold no copy of the networks.

    They start while the caller goes on. What is still waiting when the block ends, after an error, is dropped.

    Args:
        workers: processes.
        preload: module that is imported once for all of them.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = get_context("forkserver")
    context.set_forkserver_preload([preload])
    forkserver.ensure_running()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=keep_freed_memory)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(pool: Executor, work: Callable[..., Any], items: Iterable[tuple], limit: int) -> Iterator[Any]:
    """Return work(*item) of each item in order, at most `limit` of them under way from now on: memory stays flat."""
    rest = iter(items)
    waiting = deque(pool.submit(work, *item) for item in islice(rest, limit))

    def taken() -> Iterator[Any]:
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(work, *item) for item in islice(rest, 1))
            yield done

    return taken()
