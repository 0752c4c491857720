"""How many cores there are for this process."""

import os


def available_cores() -> int:
    """Return the cores this process may use; a Mac does not say which these are, so all count there."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
