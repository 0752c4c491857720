"""How fast duplicated recordings are found, against the correlation of all pairs of them.

`make bench` takes 3,000 ECGs. The whole step at the size of the paper's study, 20 GB in the temporary folder:
    python -m cmr2ecg.benchmarks.audit --subjects 40044
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cmr2ecg.benchmarks.data import compared
from cmr2ecg.benchmarks.tables import measure
from cmr2ecg.data.duplicates import centred, duplicate_groups, scan_recordings

RECORDINGS, SAMPLES, CORRELATION = 3_000, 60_000, 0.999
SHAPES = {"ecg": ((12, 5000), "f4"), "cmr": ((3, 210, 210), "f2")}
STEP = "from cmr2ecg.steps.audit_leakage import main; main(sys.argv[1:])"
POOL = 512  # recordings that all others are mixed of


def run() -> list[dict]:
    """Return the row duplicates_vs_all_pairs; both find the same pairs."""
    data = np.random.default_rng(0).standard_normal((RECORDINGS, SAMPLES), np.float32)
    data[RECORDINGS // 2] = 2 * data[0]
    with threadpool_limits(1):
        begin = time.perf_counter()
        scan = scan_recordings(lambda rows: data[rows[0] : rows[-1] + 1], RECORDINGS, "audit_leakage")
        found = [tuple(rows) for _, rows in duplicate_groups(scan, data.__getitem__, CORRELATION)]
        middle = time.perf_counter()
        plain = all_pairs(data)
        end = time.perf_counter()
    if found != plain:
        raise RuntimeError("the audit and the correlation of all pairs disagree")
    note = f"{RECORDINGS} ECGs of 12 x 5000 in memory; all pairs grow with the square of their number"
    ours, plain = RECORDINGS / (middle - begin), RECORDINGS / (end - middle)
    return [compared("duplicates_vs_all_pairs", ours, plain, "recordings/s", note)]


def all_pairs(data: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of rows of (n, samples) that correlate at CORRELATION or more."""
    whole = centred(data)
    return [(int(a), int(b)) for a, b in np.argwhere(whole @ whole.T >= CORRELATION) if a < b]


def write_cohort(folder: Path, subjects: int) -> list[str]:
    """Write a data set of different recordings and the tables beside it; return the step's command line."""
    rng = np.random.default_rng(0)
    eids = 9_000_001 + np.arange(subjects)
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["eid"] = eids
        for name, (shape, kind) in SHAPES.items():
            pool = rng.random((POOL, *shape), np.float32)
            data = file.create_dataset(name, (subjects, *shape), kind, chunks=(1, *shape))
            for row in range(subjects):
                data[row] = (0.7 * pool[row % POOL] + 0.3 * pool[(row // POOL + 1 + row % POOL) % POOL]).astype(kind)
    pd.DataFrame({"eid": eids, "split": np.where(eids % 5, "train", "test")}).to_csv(folder / "split.csv", index=False)
    pd.DataFrame({"eid": eids, "cad": eids % 2}).to_parquet(folder / "labels.parquet")
    pd.DataFrame({"eid": eids}).to_parquet(folder / "visits.parquet")
    inputs = {"dataset": "dataset.h5", "split": "split.csv", "labels": "labels.parquet", "visits": "visits.parquet"}
    paths = {**inputs, "output": "audit.json", "duplicates": "duplicates.csv"}
    settings = json.dumps({"duplicate_correlation": CORRELATION})
    return ["--settings", settings, *(f"--{name}={folder / path}" for name, path in paths.items())]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the whole step at one size and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=2_000)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = measure(STEP, write_cohort(Path(folder), args.subjects))
    sys.stdout.write(f"{args.subjects} subjects: {seconds:.1f} s, peak {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
