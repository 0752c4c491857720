"""How much faster one, two, ... cores are: jobs of the data steps side by side, threads of a training.

Rows cores_NAME_N: ours is the rate on N cores, plain that on one, ratio the gain (N is the limit). N goes over the
powers of two below the machine's cores, and all of them.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from cmr2ecg.benchmarks.data import SPACING_MM, beating_disc
from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.benchmarks.training import MAE_BATCH, MMCL_BATCH, Step, build
from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.steps import clean_ecg, crop_cmr
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective

ECGS, CMRS = 60, 12  # files in a shard
REPEATS = 3


def run() -> Iterator[dict]:
    """Yield the rows of every workload; two_workers is cores_clean_ecg_2 under its older name."""
    counts = core_counts(available_cores())
    yield from jobs("clean_ecg", clean_ecg.main, write_ecg, ECGS, counts)
    yield from jobs("crop_cmr", crop_cmr.main, write_cmr, CMRS, counts)
    pretrain = paper_settings()["pretrain"]
    yield from threads("mae_step", lambda: build(MaeObjective, pretrain["mae"], MAE_BATCH, plain=False), counts)
    yield from threads("mmcl_step", lambda: build(MmclObjective, pretrain["mmcl"], MMCL_BATCH, plain=False), counts)


def core_counts(cores: int) -> list[int]:
    """Return 1, 2, 4, ... and the number of all cores."""
    return sorted({1 << power for power in range(cores.bit_length()) if 1 << power <= cores} | {cores})


def scaling(name: str, rates: dict[int, float], unit: str, note: str) -> Iterator[dict]:
    """Yield a row for each number of cores beyond one from the rates of all."""
    for count, rate in rates.items():
        if count > 1:
            yield compared(f"cores_{name}_{count}", rate, rates[1], unit, f"{note}; {count} cores against one")


def jobs(name: str, main: Callable, write: Callable, files: int, counts: list[int]) -> Iterator[dict]:
    """Yield rows of a data step, a job a core as `snakemake --cores N` starts them; as many shards as cores."""
    with tempfile.TemporaryDirectory() as folder:
        shards = [write_shard(Path(folder), number, name, files, write) for number in range(max(counts))]
        rates = {count: 60 * len(shards) / best_time(main, shards, count) for count in counts}
    note = f"shards of {files} files, processes already started"
    yield from scaling(name, rates, "shards/min", note)
    if name == "clean_ecg" and 2 in rates:
        yield compared("two_workers", rates[2], rates[1], "shards/min", f"clean_ecg, {note}")


def best_time(main: Callable, shards: list[list[str]], workers: int) -> float:
    """Return the shortest time in seconds in which so many processes finish all shards."""
    context = multiprocessing.get_context("spawn")
    best = np.inf
    with ProcessPoolExecutor(workers, context) as pool:
        for turn in range(REPEATS + 1):
            begin = time.perf_counter()
            list(pool.map(main, shards))
            if turn:  # the first starts the processes
                best = min(best, time.perf_counter() - begin)
    return best


def write_shard(folder: Path, number: int, step: str, files: int, write: Callable[[Path], str]) -> list[str]:
    """Write a file that stands for all of a shard and return the step's arguments."""
    visits = folder / f"{number}.parquet"
    table = pd.DataFrame({"eid": 9_000_001 + files * number + np.arange(files)})
    column = {"clean_ecg": "ecg_path", "crop_cmr": "cmr_path"}[step]
    table.assign(**{column: write(folder), "segmentation": ""}).to_parquet(visits)
    paths = {"visits": visits, "output": folder / f"{number}.h5", "qc": folder / f"{number}.csv"}
    paths |= {"log": folder / f"{number}.log"}
    arguments = [part for name, file in paths.items() for part in (f"--{name}", str(file))]
    return ["--settings", json.dumps(paper_settings()[step]), "--threads", "1", *arguments]


def write_ecg(folder: Path) -> str:
    """Write an ECG of regular beats, if it is not there, and return its path."""
    path = folder / "record.xml"
    if not path.exists():
        rng = np.random.default_rng(0)
        beats = np.exp(-(((np.arange(5000) / 500 % 0.9) - 0.4) ** 2) / 2e-4)
        signal = rng.uniform(100, 300, (8, 1)) * beats + rng.normal(0, 3, (8, 5000)).cumsum(axis=1) / 5
        path.write_bytes(cardiosoft_xml(with_derived_leads(signal.round().astype(int))))
    return str(path)


def write_cmr(folder: Path) -> str:
    """Write a short-axis zip of a beating disc, if it is not there, and return its path."""
    path = folder / "subject.zip"
    if not path.exists():
        write_sax_zip(path, beating_disc(), pixel_spacing_mm=SPACING_MM, seed=1, compresslevel=6)
    return str(path)


def threads(name: str, make: Callable[[], Step], counts: list[int]) -> Iterator[dict]:
    """Yield rows of a step that is called again and again with so many threads; the numbers take turns."""
    step = make()
    best = dict.fromkeys(counts, np.inf)
    for turn in range(REPEATS + 1):
        for count in counts:
            torch.set_num_threads(count)
            with threadpool_limits(count):
                begin = time.perf_counter()
                step()
            if turn:
                best[count] = min(best[count], time.perf_counter() - begin)
    torch.set_num_threads(max(counts))
    yield from scaling(
        name, {count: 1 / seconds for count, seconds in best.items()}, "steps/s", "threads of one process"
    )


if __name__ == "__main__":
    alone(run, __doc__)
