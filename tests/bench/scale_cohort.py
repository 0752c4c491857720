"""A made-up cohort of any size as the data steps leave it: shards, quality tables, visits, labels, phenotypes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bench.made_up import FIRST
from cmr2ecg.cohort.flow import Flow, write_flow
from cmr2ecg.runtime.progress import Progress
from cmr2ecg.tables.phenotypes import phenotype_fields

SHARDS = 40
PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}  # §IV-B
SHAPES = {"ecg": ((12, 5000), "f4"), "cmr": ((3, 210, 210), "f2")}
BYTES = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in SHAPES.values())  # a subject's
POOL = 512  # recordings of white noise that all others are mixed of
SPARSE_SAMPLES = 2_000  # of a recording that are not zero where the disk is short


@dataclass(frozen=True)
class Cohort:
    """A folder with some shards and the tables of the subjects in them, the eids (n,) in order."""

    folder: Path
    eids: np.ndarray

    @property
    def shards(self) -> list[Path]:
        """Return every file of recordings."""
        return sorted(path for name in SHAPES for path in self.folder.glob(f"{name}_*.h5"))


def mixed(pool: np.ndarray, number: int) -> np.ndarray:
    """Return recording `number`, of two of the pool: different for each, correlated with others by 0.85 at most."""
    one = number % POOL
    other = (number // POOL + 1 + one) % POOL
    return 0.7 * pool[one] + 0.3 * pool[other]


def write_recordings(folder: Path, subjects: int, shards: int = SHARDS, *, sparse: bool = False) -> None:
    """Write <modality>_<shard>.h5 and .csv, the quality table, of `subjects` with an ECG and an image each.

    sparse: recordings are zero but for SPARSE_SAMPLES samples, and compressed: a hundredth of the disk.
    """
    eids, progress = FIRST + np.arange(subjects), Progress("made-up recordings", 2 * subjects)
    for name, (shape, kind) in SHAPES.items():
        pool = np.random.default_rng(0).random((POOL, *shape), np.float32)
        if sparse:
            pool.reshape(POOL, -1)[:, SPARSE_SAMPLES:] = 0
        for shard in range(shards):
            there = eids[eids % shards == shard]
            with h5py.File(folder / f"{name}_{shard}.h5", "w") as file:
                file["eid"] = there
                options = {"chunks": (1, *shape), "compression": "lzf" if sparse else None}
                data = file.create_dataset(name, (len(there), *shape), kind, **options)
                for row, eid in enumerate(there):
                    data[row] = mixed(pool, eid - FIRST).astype(kind)
                    progress.step()
            table = pd.DataFrame({"eid": there, "status": "accepted", "reason": ""})
            table.to_csv(folder / f"{name}_{shard}.csv", index=False)
    progress.close()


def write_tables(folder: Path, subjects: int, shards: int) -> Cohort:
    """Write a folder of its own with the first `shards` shards, as links, and the tables of the subjects in them."""
    own, every = folder / f"{shards}_shards", FIRST + np.arange(subjects)
    own.mkdir()
    for shard in range(shards):
        for path in folder.glob(f"*_{shard}.*"):
            os.link(path, own / path.name)
    eids = every[every % SHARDS < shards]
    n, rng = len(eids), np.random.default_rng(1)
    labels = {name: (rng.random(n) < share).astype(int) for name, share in PREVALENCE.items()}
    pd.DataFrame({"eid": eids, **labels}).to_parquet(own / "labels.parquet")
    pd.DataFrame({"eid": eids, "subject": eids, "split": ""}).to_parquet(own / "visits.parquet")
    values = rng.normal(100, 20, (n, len(phenotype_fields())))
    values[rng.random(n) < 0.5] = np.nan  # §IV-B: half of the subjects have none
    phenotypes = pd.DataFrame(values, columns=list(phenotype_fields()))
    phenotypes.insert(0, "eid", eids)
    phenotypes.to_parquet(own / "phenotypes.parquet")
    flow = Flow(n)
    flow.exclude("index_cohort", "with an ECG or a CMR file", 0)
    write_flow(own / "index.csv", flow)
    return Cohort(own, eids)


def write_names(folder: Path, eids: Sequence[int]) -> None:
    """Write empty files under the names of every subject's raw ECG and image."""
    for kind, name in (("ecg", "{}_20205_2_0.xml"), ("cmr", "{}_20209_2_0.zip")):
        (folder / kind).mkdir(parents=True)
        for eid in eids:
            (folder / kind / name.format(eid)).touch()
