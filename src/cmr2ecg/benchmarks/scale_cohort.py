"""A made-up cohort of any size as the data steps leave it: shards, quality tables, visits, labels, phenotypes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from cmr2ecg.cohort.flow import Flow, write_flow
from cmr2ecg.tables.phenotypes import phenotype_fields

FIRST = 9_000_001
SHARDS = 40
PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}  # §IV-B
SHAPES = {"ecg": ((12, 5000), "f4"), "cmr": ((3, 210, 210), "f2")}
BYTES = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in SHAPES.values())  # a subject's
POOL = 512  # recordings that all others are mixed of
SPARSE_SAMPLES = 2_000  # of a recording that are not zero where the disk is short


@dataclass(frozen=True)
class Cohort:
    """The subjects of the first `shards` shards of a folder, with a folder of their own for tables and results."""

    folder: Path
    shards: int

    @property
    def own(self) -> Path:
        """Return the folder of what belongs to this many shards alone."""
        return self.folder / f"{self.shards}_shards"

    @property
    def eids(self) -> np.ndarray:
        """Return the eids (n,), in order."""
        return np.load(self.own / "eids.npy")

    def files(self, pattern: str) -> list[Path]:
        """Return the path of every shard; {} stands for its number."""
        return [self.folder / pattern.format(number) for number in range(self.shards)]


def pool_of(name: str, rng: np.random.Generator) -> np.ndarray:
    """Return recordings (POOL, ...) of white noise."""
    return rng.random((POOL, *SHAPES[name][0]), np.float32)


def mixed(pool: np.ndarray, number: int) -> np.ndarray:
    """Return recording `number`, of two of the pool: different for each, correlated with others by 0.85 at most."""
    one = number % POOL
    other = (number // POOL + 1 + one) % POOL
    return 0.7 * pool[one] + 0.3 * pool[other]


def write_recordings(folder: Path, subjects: int, *, sparse: bool, progress=None) -> None:
    """Write SHARDS files of each modality and their quality tables, every subject with an ECG and an image.

    Args:
        folder: for ecg_<shard>.h5, cmr_<shard>.h5 and ecg_<shard>.csv, cmr_<shard>.csv.
        subjects: all shards together.
        sparse: recordings are zero but for SPARSE_SAMPLES samples, and compressed: a hundredth of the disk.
        progress: has a `step`, called for each recording.
    """
    rng = np.random.default_rng(0)
    eids = FIRST + np.arange(subjects)
    for name, (shape, kind) in SHAPES.items():
        pool = pool_of(name, rng)
        if sparse:
            pool.reshape(POOL, -1)[:, SPARSE_SAMPLES:] = 0
        for shard in range(SHARDS):
            there = eids[eids % SHARDS == shard]
            with h5py.File(folder / f"{name}_{shard}.h5", "w") as file:
                file["eid"] = there
                options = {"chunks": (1, *shape), "compression": "lzf" if sparse else None}
                data = file.create_dataset(name, (len(there), *shape), kind, **options)
                for row, eid in enumerate(there):
                    data[row] = mixed(pool, eid - FIRST).astype(kind)
                    if progress:
                        progress.step()
            table = pd.DataFrame({"eid": there, "status": "accepted", "reason": ""})
            table.to_csv(folder / f"{name}_{shard}.csv", index=False)


def write_tables(folder: Path, subjects: int, shards: int) -> Cohort:
    """Write the tables of the subjects in the first `shards` shards and return the cohort."""
    cohort = Cohort(folder, shards)
    cohort.own.mkdir()
    every = FIRST + np.arange(subjects)
    eids = every[every % SHARDS < shards]
    n, rng = len(eids), np.random.default_rng(1)
    np.save(cohort.own / "eids.npy", eids)
    labels = {name: (rng.random(n) < share).astype(int) for name, share in PREVALENCE.items()}
    pd.DataFrame({"eid": eids, **labels}).to_parquet(cohort.own / "labels.parquet")
    pd.DataFrame({"eid": eids}).to_parquet(cohort.own / "visits.parquet")
    values = rng.normal(100, 20, (n, len(phenotype_fields())))
    values[rng.random(n) < 0.5] = np.nan  # §IV-B: half of the subjects have none
    phenotypes = pd.DataFrame(values, columns=list(phenotype_fields()))
    phenotypes.insert(0, "eid", eids)
    phenotypes.to_parquet(cohort.own / "phenotypes.parquet")
    flow = Flow(n)
    flow.exclude("index_cohort", "with an ECG or a CMR file", 0)
    write_flow(cohort.own / "index_flow.csv", flow)
    return cohort


def write_names(folder: Path, eids: Sequence[int]) -> None:
    """Write empty files under the names of every subject's raw ECG and image."""
    for kind, name in (("ecg", "{}_20205_2_0.xml"), ("cmr", "{}_20209_2_0.zip")):
        (folder / kind).mkdir(parents=True)
        for eid in eids:
            (folder / kind / name.format(eid)).touch()
