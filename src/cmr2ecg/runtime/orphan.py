"""End a job with the Snakemake that started it: an orphan would write at the same time as the next run's job.

A killed Snakemake (kill -9, a lost login) does not end its jobs. What a job has finished by then is on disk,
and the next run resumes from there.
"""

import logging
import os
import platform
import select
import threading
import time
from pathlib import Path

VARIABLE = "CMR2ECG_SNAKEMAKE"
LOOK_EVERY = 1.0  # seconds, where the system does not report the end of a process
log = logging.getLogger(__name__)


def this_process() -> str:
    """Return the number of this process and its scope: host and namespace."""
    namespace = Path("/proc/self/ns/pid")
    return f"{os.getpid()} {platform.node()} {os.readlink(namespace) if namespace.exists() else ''}"


def end_with(owner: str) -> None:
    """End this process, from a thread, when `owner` has ended.

    owner: the result of `this_process` there; one of another machine or namespace is not watched.
    """
    number, _, place = owner.partition(" ")
    if place != this_process().partition(" ")[2]:
        return
    threading.Thread(target=_end_after, args=(int(number),), daemon=True).start()


def _end_after(number: int) -> None:
    wait_for_end(number)
    log.error("error: the Snakemake or step that started this job has ended, so the job ends too; run again to resume")
    os._exit(1)  # immediately, even if the main thread is busy


def wait_for_end(number: int) -> None:
    """Return when the process has ended, even as a zombie."""
    try:
        if hasattr(os, "pidfd_open"):
            select.select([os.pidfd_open(number)], [], [])
            return
        while True:
            os.kill(number, 0)
            time.sleep(LOOK_EVERY)
    except ProcessLookupError:
        return
