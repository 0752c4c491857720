"""Streaming from disk at the paper's sizes: against HDF5's virtual dataset, and against the step that waits for it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from paper_settings import paper_settings

from bench.made_up import FIRST
from bench.rows import compared, read_through, seconds_of
from bench.scale_cohort import write_recordings
from cmr2ecg.cohort.dataset import write_dataset
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import pretraining_optimizer
from cmr2ecg.training.pretrain.loop import train_epoch
from cmr2ecg.training.pretrain.mae import MaeObjective

SUBJECTS, SHARDS, BATCH, ROUNDS = 512, 4, 128, 3


def run() -> Iterator[dict]:
    """Yield stream_vs_virtual_dataset and its share of reading (subjects a second), and mae_epoch_vs_waiting."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, eids = Path(scratch), FIRST + np.arange(SUBJECTS)
        write_recordings(folder, SUBJECTS, SHARDS)
        files = {name: [folder / f"{name}_{shard}.h5" for shard in range(SHARDS)] for name in ("ecg", "cmr")}
        write_dataset(folder / "dataset.h5", folder / "dataset.h5", eids, files)
        yield from streaming(folder / "dataset.h5", eids, files)
        yield waiting(folder / "dataset.h5", eids)


def streaming(dataset: Path, eids: np.ndarray, shards: dict[str, list[Path]]) -> Iterator[dict]:
    """Read every subject's ECG and image in a random order; the limit is to read the shards from end to end."""
    order = np.random.default_rng(1).permutation(len(eids))
    pieces = [np.sort(order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
    data = PairedData(dataset, eids, ("ecg", "cmr"), memory_mb=0)
    opened = {name: [h5py.File(path)[name] for path in paths] for name, paths in shards.items()}

    def row_by_row() -> None:
        for position, eid in zip(order, eids[order], strict=True):
            for files in opened.values():
                files[eid % SHARDS][position // SHARDS]  # one subject after the other goes to the next shard

    with h5py.File(dataset) as file:
        times = seconds_of(
            lambda: [data.batch(piece) for piece in pieces],
            lambda: [(file["ecg"][piece], file["cmr"][piece]) for piece in pieces],
            row_by_row,
            lambda: [read_through(path) for paths in shards.values() for path in paths],
            rounds=ROUNDS,
        )
    ours, plain, best, limit = (len(eids) / seconds for seconds in times)
    note = f"ECG and image, batches of {BATCH} scattered rows, file cache warm; "
    note += f"best alternative: h5py, row by row from the shards: {best:,.0f}"
    yield compared("stream_vs_virtual_dataset", ours, plain, "subjects/s", note)
    note = "of reading the shards from first to last byte, file cache warm"
    yield compared("stream_of_reading", ours, limit, "subjects/s", note)


def waiting(dataset: Path, eids: np.ndarray) -> dict:
    """Train the masked autoencoder for a short epoch at the paper's sizes, beside its waiting for data."""
    config, device = paper_settings(), pick_device("auto")
    precision = pick_precision("auto", device)
    pick_attention(device, precision)
    settings = config["pretrain"]["mae"]
    objective = MaeObjective(config["models"], settings).to(device)
    data = PairedData(dataset, eids, ("ecg",), memory_mb=0)
    optimizer, before = pretraining_optimizer(objective, settings), time.perf_counter()
    train_epoch(objective, data, optimizer, settings, 0, precision)
    whole = time.perf_counter() - before
    note = f"share of time waiting {data.waited / whole:.4f}; {precision}, {torch.get_num_threads()} threads, 4 steps"
    return compared("mae_epoch_vs_waiting", max(data.waited, 1e-9), whole, "s", note, less=True)
