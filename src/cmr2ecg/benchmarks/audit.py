"""How fast duplicated recordings are found, against the correlation of all pairs of them, and against hashing alone.

The whole step at the size of the paper's study: `python -m cmr2ecg.benchmarks.scale --only audit_leakage`.
"""

import hashlib
import time

import numpy as np
from threadpoolctl import threadpool_limits

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.cohort.duplicates import centred, duplicate_groups, scan_recordings

RECORDINGS, SAMPLES, CORRELATION = 3_000, 60_000, 0.999


def run() -> list[dict]:
    """Return duplicates_vs_all_pairs, both of which find the same pairs, and the share of hashing alone."""
    data = np.random.default_rng(0).standard_normal((RECORDINGS, SAMPLES), np.float32)
    data[RECORDINGS // 2] = 2 * data[0]
    with threadpool_limits(1):
        begin = time.perf_counter()
        scan = scan_recordings(lambda rows: data[rows[0] : rows[-1] + 1], RECORDINGS, "audit_leakage")
        found = [tuple(rows) for _, rows in duplicate_groups(scan, data.__getitem__, CORRELATION)]
        middle = time.perf_counter()
        plain = all_pairs(data)
        end = time.perf_counter()
        for recording in data:
            hashlib.sha256(recording).digest()
        hashed = time.perf_counter()
    if found != plain:
        raise RuntimeError("the audit and the correlation of all pairs disagree")
    note = f"{RECORDINGS} ECGs of 12 x 5000 in memory; all pairs grow with the square of their number"
    ours, plain, limit = (RECORDINGS / seconds for seconds in (middle - begin, end - middle, hashed - end))
    return [
        compared("duplicates_vs_all_pairs", ours, plain, "recordings/s", note),
        compared("duplicates_of_sha256", ours, limit, "recordings/s", "of hashing the same recordings alone, 1 thread"),
    ]


def all_pairs(data: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of rows of (n, samples) that correlate at CORRELATION or more."""
    whole = centred(data)
    return [(int(a), int(b)) for a, b in np.argwhere(whole @ whole.T >= CORRELATION) if a < b]


if __name__ == "__main__":
    alone(run, __doc__)
