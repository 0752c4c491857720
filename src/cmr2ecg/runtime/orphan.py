"""A job ends with the Snakemake that started it: an orphan would go on writing beside the next run's job.

A Snakemake that is killed (kill -9, a lost login) does not end its jobs. What a job had finished by then is on disk,
and the next run goes on from there.
"""

import logging
import os
import platform
import select
import threading
import time
from pathlib import Path

VARIABLE = "CMR2ECG_SNAKEMAKE"
LOOK_EVERY = 1.0  # seconds, where the system cannot tell of a process's end
log = logging.getLogger(__name__)


def this_process() -> str:
    """Return the number of this process and where that number means something: its host and namespace."""
    namespace = Path("/proc/self/ns/pid")
    return f"{os.getpid()} {platform.node()} {os.readlink(namespace) if namespace.exists() else ''}"


def end_with(owner: str) -> None:
    """End this process, from a thread, when `owner` has ended.

    owner: what `this_process` returned there; one of another machine or namespace is not watched.
    """
    number, _, place = owner.partition(" ")
    if place != this_process().partition(" ")[2]:
        return
    threading.Thread(target=_end_after, args=(int(number),), daemon=True).start()


def _end_after(number: int) -> None:
    wait_for_end(number)
    log.error("error: the Snakemake or step that started this job has ended, so the job ends too; run again to go on")
    os._exit(1)  # at once, whatever the main thread is doing


def wait_for_end(number: int) -> None:
    """Return when the process has ended, also if nobody has asked for its exit code yet."""
    try:
        if hasattr(os, "pidfd_open"):
            select.select([os.pidfd_open(number)], [], [])
            return
        while True:
            os.kill(number, 0)
            time.sleep(LOOK_EVERY)
    except ProcessLookupError:
        return
