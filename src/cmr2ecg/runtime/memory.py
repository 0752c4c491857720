"""Cores and memory of this process: freed memory is kept for the next array if the C library supports it (glibc)."""

import ctypes
import os


def available_cores() -> int:
    """Return the cores this process may use; all on a Mac, which does not report them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
KEPT = 64_000_000  # bytes of free memory at the heap's end before any is returned
MAX_HEAP_BYTES = 16_000_000  # bytes; larger arrays still get their own pages, and return them


def keep_freed_memory() -> None:
    """Let this process reuse the memory of arrays it has freed.

    By default arrays of half a megabyte return their pages to the system and get cleared ones for the next array:
    a tenth of the time of reading and cleaning an ECG.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, MAX_HEAP_BYTES)
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_TOP_PAD, MAX_HEAP_BYTES)
