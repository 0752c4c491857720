"""How much faster one, two, ... cores are: jobs of the data steps side by side, threads of a training.

Rows cores_NAME_N: ours is the rate on N cores, plain that on one, ratio the gain (N is the limit). N goes over the
powers of two below the machine's cores, and all of them.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from paper_settings import paper_settings
from threadpoolctl import threadpool_limits

from bench.commands import arguments
from bench.made_up import FIRST, write_cmr, write_ecg
from bench.rows import compared, seconds_of
from bench.training import MAE_BATCH, MMCL_BATCH, Step, build
from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.steps import clean_ecg, crop_cmr
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective

ECGS, CMRS = 60, 12  # files in a shard
CORES, ROUNDS = available_cores(), 3


def run() -> Iterator[dict]:
    """Yield the rows of every workload; two_workers is cores_clean_ecg_2 under its older name."""
    counts, pretrain = core_counts(CORES), paper_settings()["pretrain"]
    yield from jobs("clean_ecg", clean_ecg.main, write_ecg, ECGS, counts)
    yield from jobs("crop_cmr", crop_cmr.main, write_cmr, CMRS, counts)
    yield from threads("mae_step", build(MaeObjective, pretrain["mae"], MAE_BATCH), counts)
    yield from threads("mmcl_step", build(MmclObjective, pretrain["mmcl"], MMCL_BATCH), counts)


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
        raw = Path(folder) / "raw"  # one file, which stands for all of every shard
        write(raw)
        shards = [write_shard(Path(folder) / str(number), name, files, raw) for number in range(max(counts))]
        rates = {count: 60 * len(shards) / best_time(main, shards, count) for count in counts}
    note = f"shards of {files} files, processes already started"
    yield from scaling(name, rates, "shards/min", note)
    if name == "clean_ecg" and 2 in rates:
        yield compared("two_workers", rates[2], rates[1], "shards/min", f"clean_ecg, {note}")


def write_shard(folder: Path, step: str, files: int, raw: Path) -> list[str]:
    """Write the list of a shard's files and return the step's arguments."""
    folder.mkdir()
    path = {"clean_ecg": "ecg_path", "crop_cmr": "cmr_path"}[step]
    table = pd.DataFrame({"eid": FIRST + np.arange(files), path: str(raw), "segmentation": ""})
    table.to_parquet(folder / "shard.parquet")
    return [*arguments(step, folder), "--threads", "1", "--log", str(folder / "log")]


def best_time(main: Callable, shards: list[list[str]], workers: int) -> float:
    """Return the shortest time in seconds in which so many processes, once started, finish all shards."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return seconds_of(lambda: list(pool.map(main, shards)), rounds=ROUNDS)[0]


def threads(name: str, step: Step, counts: list[int]) -> Iterator[dict]:
    """Yield rows of a step that is called again and again with so many threads; the numbers take turns."""

    def with_threads(count: int) -> None:
        torch.set_num_threads(count)
        with threadpool_limits(count):
            step()

    ways = [lambda count=count: with_threads(count) for count in counts]
    rates = [1 / seconds for seconds in seconds_of(*ways, rounds=ROUNDS)]
    torch.set_num_threads(max(counts))
    yield from scaling(name, dict(zip(counts, rates, strict=True)), "steps/s", "threads of one process")
