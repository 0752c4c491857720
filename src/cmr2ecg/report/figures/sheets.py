"""What the sheets of random subjects share: who is drawn, and where their rows lie."""

from pathlib import Path

import h5py
import numpy as np

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import rows_of

SPLIT = "train"  # the test split is read by the evaluation alone


def drawn_subjects(split: Path, count: int, seed: int) -> np.ndarray:
    """Return the eids of `count` training subjects drawn without replacement (all of them where there are fewer)."""
    eids = np.sort(split_eids(split, SPLIT))
    return np.random.default_rng(seed).choice(eids, min(count, len(eids)), replace=False)


def read_rows(dataset: Path, field: str, eids: np.ndarray) -> np.ndarray:
    """Return a field of dataset.h5 for `eids`, in that order."""
    with h5py.File(dataset) as file:
        rows = rows_of(file["eid"][:], eids, dataset)
        return np.stack([file[field][row] for row in rows])


def grid_shape(count: int, columns: int) -> tuple[int, int]:
    """Return rows and columns of a grid for `count` panels, at most `columns` wide."""
    columns = min(count, columns)
    return -(-count // columns), columns
