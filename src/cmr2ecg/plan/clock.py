"""Seconds without those spent waiting for a core that other programs held: a plan may be made on a busy machine."""

import os
import time
from collections.abc import Callable

from cmr2ecg.sweeps.cost import seconds_since_start

TASKS = "/proc/self/task"


def waited_for_core() -> float:
    """Return the seconds this process's threads were ready to run and had no core (Linux; 0 elsewhere)."""
    waited = 0
    try:
        for task in os.listdir(TASKS):
            with open(f"{TASKS}/{task}/schedstat") as handle:
                waited += int(handle.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return waited / 1e9


def timed(work: Callable[[], object], threads: int = 1) -> float:
    """Return the seconds that a call takes, as far as can be told without the waiting.

    One waiting thread holds up the others, so all waits are taken off; those that overlap would be taken off twice, so
    no less is returned than the computing time over the threads.
    """
    began, waited, computed = time.perf_counter(), waited_for_core(), time.process_time()
    work()
    wall = time.perf_counter() - began
    return max(wall - (waited_for_core() - waited), min(wall, (time.process_time() - computed) / threads))


def since_start() -> float:
    """Return the seconds since this process began, its imports included, without the waiting."""
    return max(seconds_since_start() - waited_for_core(), 0.0)
