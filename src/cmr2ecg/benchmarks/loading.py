"""Streaming from disk at the paper's sizes: against HDF5's virtual dataset, and against the step that waits for it."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch

from cmr2ecg.benchmarks.rows import alone, compared, read_through
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.cohort.dataset import write_dataset
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import pretraining_optimizer
from cmr2ecg.training.pretrain.loop import train_epoch
from cmr2ecg.training.pretrain.mae import MaeObjective

SUBJECTS, SHARDS, BATCH = 512, 4, 128


def run() -> list[dict]:
    """Return stream_vs_virtual_dataset (subjects a second) and mae_epoch_vs_waiting (seconds, streamed)."""
    with tempfile.TemporaryDirectory() as folder:
        dataset, eids = write(Path(folder))
        return [*stream_vs_virtual_dataset(dataset, eids), mae_epoch_vs_waiting(dataset, eids)]


def write(folder: Path) -> tuple[Path, np.ndarray]:
    """Write made-up shards and dataset.h5 and return its path and eids (n,)."""
    eids, rng = 9000001 + np.arange(SUBJECTS), np.random.default_rng(0)
    files = [folder / f"{number}.h5" for number in range(SHARDS)]
    for number, path in enumerate(files):
        there = eids[eids % SHARDS == number]
        with h5py.File(path, "w") as file:
            file["eid"] = there
            ecg = rng.standard_normal((len(there), 12, 5000), "f4")
            file.create_dataset("ecg", data=ecg, chunks=(1, 12, 5000))
            cmr = rng.random((len(there), 3, 210, 210), "f4").astype("f2")
            file.create_dataset("cmr", data=cmr, chunks=(1, 3, 210, 210))
    write_dataset(folder / "dataset.h5", folder / "dataset.h5", eids, {"ecg": files, "cmr": files})
    return folder / "dataset.h5", eids


def stream_vs_virtual_dataset(dataset: Path, eids: np.ndarray) -> list[dict]:
    """Read every subject's ECG and image in a random order, from the shards and through the virtual dataset.

    The limit is a program that reads the shards from first to last byte.
    """
    order = np.random.default_rng(1).permutation(len(eids))
    pieces = [np.sort(order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
    data = PairedData(dataset, eids, ("ecg", "cmr"), memory_mb=0)
    with h5py.File(dataset) as file:
        times = [
            seconds(lambda: [data.batch(piece) for piece in pieces]),
            seconds(lambda: [(file["ecg"][piece], file["cmr"][piece]) for piece in pieces]),
            seconds(lambda: [read_through(path) for path in dataset.parent.glob("[0-9]*.h5")]),
        ]
    ours, plain, limit = (len(eids) / value for value in times)
    note = f"ECG and image, batches of {BATCH} scattered rows, file cache warm"
    row = {"name": "stream_vs_virtual_dataset", "ours": ours, "plain": plain, "unit": "subjects/s"}
    share = "of reading the shards from first to last byte, file cache warm"
    return [
        {**row, "ratio": ours / plain, "note": note},
        compared("stream_of_reading", ours, limit, "subjects/s", share),
    ]


def seconds(work: Callable[[], list]) -> float:
    """Return the shortest time of three."""
    times = []
    for _ in range(3):
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return min(times)


def mae_epoch_vs_waiting(dataset: Path, eids: np.ndarray) -> dict:
    """Train the masked autoencoder for a short epoch at the paper's sizes, beside its waiting for data."""
    config, device = paper_settings(), pick_device("auto")
    precision = pick_precision("auto", device)
    pick_attention(device, precision)
    settings = config["pretrain"]["mae"]
    objective = MaeObjective(config["models"], settings).to(device)
    data = PairedData(dataset, eids, ("ecg",), memory_mb=0)
    before = time.perf_counter()
    train_epoch(objective, data, pretraining_optimizer(objective, settings), settings, 0, precision)
    whole = time.perf_counter() - before
    note = f"share of time waiting {data.waited / whole:.4f}; {precision}, {torch.get_num_threads()} threads, 4 steps"
    row = {"name": "mae_epoch_vs_waiting", "ours": data.waited, "plain": whole, "unit": "s"}
    return {**row, "ratio": whole / max(data.waited, 1e-9), "note": note}


if __name__ == "__main__":
    alone(run, __doc__)
