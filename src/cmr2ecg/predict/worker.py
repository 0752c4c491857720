"""The other side of pool.py: a process that loads the code once and forks workers on request.

Each worker reads from a socket whose other end is held only by the command. When the command ends, in any way,
the workers end too, and no file or socket is left behind.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from cmr2ecg.runtime.memory import keep_freed_memory
from cmr2ecg.runtime.orphan import wait_for_end


def serve(control: int, owner: int, preload: str) -> None:
    """Fork a worker for every socket received through another one, until that is closed.

    Args:
        control: descriptor of the socket that passes them.
        owner: number of the process they work for.
        preload: module that all of them need.
    """
    import_module(preload)
    keep_freed_memory()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # exit codes of workers are not needed
    with socket.socket(fileno=control) as asked:
        while True:
            _, received, *_ = socket.recv_fds(asked, 1, 1)
            if not received:
                return
            if os.fork() == 0:
                asked.close()
                work_through(received[0], owner)
            os.close(received[0])


def work_through(channel: int, owner: int) -> None:
    """Run one task after the other: receive (function, arguments), send (True, result) or (False, error).

    Never returns: the process ends with the owner, even if busy, or when the channel is closed.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        threading.Thread(target=_end_after, args=(owner,), daemon=True).start()
        with Connection(channel) as pipe:
            while True:
                pipe.send(_outcome(*pipe.recv()))
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def _outcome(work: Callable[..., Any], args: tuple) -> tuple[bool, Any]:
    try:
        return True, work(*args)
    except Exception as error:
        return False, error


def _end_after(owner: int) -> None:
    wait_for_end(owner)
    os._exit(1)
