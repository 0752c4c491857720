"""Whether two jobs of the cleaning step, as `snakemake --cores 2` starts them, are twice as fast as one."""

import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads
from cmr2ecg.steps import clean_ecg

RECORDS = 60  # in a shard


def run() -> list[dict]:
    """Return the row two_workers: shards a minute of two processes against one that does both shards in turn."""
    with tempfile.TemporaryDirectory() as folder:
        shards = [write_shard(Path(folder), number) for number in range(2)]
        one, two = (best_time(shards, workers) for workers in (1, 2))
    note = f"clean_ecg on two shards of {RECORDS} files each; processes already started"
    rates = {"ours": 60 * len(shards) / two, "plain": 60 * len(shards) / one}
    return [{"name": "two_workers", **rates, "unit": "shards/min", "ratio": one / two, "note": note}]


def best_time(shards: list[list[str]], workers: int, repeats: int = 3) -> float:
    """Return the shortest time in seconds in which `workers` processes clean all shards."""
    context = multiprocessing.get_context("spawn")
    best = np.inf
    with ProcessPoolExecutor(workers, context) as pool:
        for turn in range(repeats + 1):
            begin = time.perf_counter()
            list(pool.map(clean_ecg.main, shards))
            if turn:  # the first starts the processes
                best = min(best, time.perf_counter() - begin)
    return best


def write_shard(folder: Path, number: int) -> list[str]:
    """Write a shard's files below `folder` and return the step's arguments."""
    rng = np.random.default_rng(number)
    path = folder / f"{number}.xml"
    beats = np.exp(-(((np.arange(5000) / 500 % 0.9) - 0.4) ** 2) / 2e-4)
    signal = rng.uniform(100, 300, (8, 1)) * beats + rng.normal(0, 3, (8, 5000)).cumsum(axis=1) / 5
    path.write_bytes(cardiosoft_xml(with_derived_leads(signal.round().astype(int))))
    visits = folder / f"{number}.parquet"
    eids = 9_000_001 + 2 * np.arange(RECORDS) + number
    pd.DataFrame({"eid": eids, "ecg_path": str(path)}).to_parquet(visits)
    files = {"visits": visits, "output": folder / f"{number}.h5", "qc": folder / f"{number}.csv"}
    files |= {"log": folder / f"{number}.log"}
    arguments = [part for name, file in files.items() for part in (f"--{name}", str(file))]
    return ["--settings", json.dumps(paper_settings()["clean_ecg"]), "--threads", "1", *arguments]
