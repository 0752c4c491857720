"""What a job of a sweep cost: its start-up against its trainings."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

IMPORTED = time.monotonic()
DEAR = 0.1  # share of start-up beyond which more trials should share a job


def seconds_since_start() -> float:
    """Return how long this process has run, imports included; without Linux's /proc, since this module was loaded."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return time.monotonic() - IMPORTED


def startup_share(jobs: Iterable[dict]) -> float | None:
    """Return start-up over the whole time of the jobs that trained anything, or None if none did.

    jobs: each with startup_seconds, training_seconds and trained (number of trainings).
    """
    busy = [job for job in jobs if job["trained"]]
    startup = sum(job["startup_seconds"] for job in busy)
    whole = startup + sum(job["training_seconds"] for job in busy)
    return startup / whole if whole > 0 else None
