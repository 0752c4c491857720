"""Process many items concurrently, ahead of their use, with results in order and constant memory."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cmr2ecg.predict.records import Record, Source

# -I: neither the working directory nor the environment adds an import path
START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from cmr2ecg.predict.worker import serve; "
START += "serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TRIES = 2
MAX_RESTARTS = 5


class WorkerDied(RuntimeError):
    """The process of a task was killed, for instance for lack of memory, at every try."""


class Processes:
    """Single-threaded processes, not forked from this one, so that they hold no copy of the networks.

    A thread here waits for each of them (`threads`). One that dies is replaced, and its task tried again.

    Args:
        count: processes.
        preload: module imported once for all of them.
    """

    def __init__(self, count: int, preload: str) -> None:
        self.threads = ThreadPoolExecutor(count)
        self._preload, self._closed, self._restarts, self._lock = preload, False, 0, threading.Lock()
        self._idle: deque[Connection] = deque()
        self._ends: list[socket.socket] = []
        self._parent = self._start_parent()

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        """Return work(*args), done in one of the processes; to be called in `threads`.

        Raises:
            WorkerDied: if the process died TRIES times.
        """
        for _ in range(TRIES):
            try:
                pipe = self._free_worker()
                pipe.send((work, args))
                good, value = pipe.recv()
            except (EOFError, OSError):
                if self._closed:
                    break
                continue
            self._idle.append(pipe)
            if good:
                return value
            raise value
        raise WorkerDied("its process was killed, perhaps for lack of memory")

    def close(self) -> None:
        """End all of them, busy or not."""
        self._closed = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for end in self._ends:
                end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._parent.kill()
            self._parent.wait()
            self._control.close()
        self.threads.shutdown()

    def _start_parent(self) -> subprocess.Popen:
        """Start the process that forks the workers, in its own session: Ctrl-C is for this process only."""
        self._control, theirs = socket.socketpair()
        path = json.dumps([os.path.abspath(place) for place in sys.path if place])
        arguments = [path, str(theirs.fileno()), str(os.getpid()), self._preload]
        with theirs:
            return subprocess.Popen(
                [sys.executable, "-I", "-c", START, *arguments],
                cwd="/",  # no untrusted matplotlibrc here
                env=os.environ | ONE_THREAD,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def _free_worker(self) -> Connection:
        """Return the connection to an idle worker, or to a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise EOFError
            ours, theirs = socket.socketpair()
            with theirs:
                self._ask_for_worker(theirs.fileno())
            self._ends.append(ours)
            return Connection(os.dup(ours.fileno()))

    def _ask_for_worker(self, channel: int) -> None:
        try:
            socket.send_fds(self._control, [b"w"], [channel])
        except OSError:  # the forking process was killed
            self._control.close()
            self._restarts += 1
            if self._restarts > MAX_RESTARTS:
                raise RuntimeError("the processes that read files end as soon as they start") from None
            self._parent.wait()
            self._parent = self._start_parent()
            socket.send_fds(self._control, [b"w"], [channel])


@contextmanager
def start_pool(workers: int, preload: str) -> Iterator[Processes]:
    """Yield processes that start while the caller continues; tasks still waiting when the block ends are dropped."""
    pool = Processes(workers, preload)
    try:
        yield pool
    finally:
        pool.close()


def prefetch(
    pool: Executor, work: Callable[..., Any], items: Iterable[tuple], limit: int, at_once: bool = True
) -> Iterator[Any]:
    """Return work(*item) of each item in order, at most `limit` of them in progress, for constant memory.

    `at_once` starts the first ones now, which is useless if the items themselves are awaited.
    """
    rest = iter(items)
    waiting = deque(pool.submit(work, *item) for item in islice(rest, limit if at_once else 0))

    def taken() -> Iterator[Any]:
        for item in rest:
            while waiting and (len(waiting) >= limit or waiting[0].done()):
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, *item))
        while waiting:
            yield waiting.popleft().result()

    return taken()


def load(path: Path, source: Source) -> Record:
    """Return a file's ECG, cleaned, or the reason why it cannot be used.

    The reader is imported here, so that a process that only distributes files starts at once.
    """
    from cmr2ecg.predict.reading import read

    return read(path, source)
