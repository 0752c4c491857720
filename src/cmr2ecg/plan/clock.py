"""Seconds without those spent waiting for a core that other programs held: a plan may be made on a busy machine."""

import time
from collections.abc import Callable

from cmr2ecg.sweeps.cost import seconds_since_start


def waited_for_core() -> float:
    """Return the seconds this thread was ready to run and had no core (Linux; 0 elsewhere)."""
    try:
        with open("/proc/thread-self/schedstat") as handle:
            return int(handle.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def undisturbed() -> float:
    """Return a clock that stands still while this thread waits for a core."""
    return time.perf_counter() - waited_for_core()


def timed(work: Callable[[], object]) -> float:
    """Return the undisturbed seconds that a call takes."""
    began = undisturbed()
    work()
    return undisturbed() - began


def since_start() -> float:
    """Return the undisturbed seconds since this process began, its imports included; for the main thread."""
    return seconds_since_start() - waited_for_core()
