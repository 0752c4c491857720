"""Splits, labels and covariates of chosen subjects."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError


def rows_for(path: Path, eids: np.ndarray) -> pd.DataFrame:
    """Return the rows of a parquet table with an eid column for `eids`, in that order.

    Raises:
        InputError: if a subject is missing; the message counts them.
    """
    table = pd.read_parquet(path).set_index("eid")
    missing = len(pd.Index(eids).difference(table.index))
    if missing:
        raise InputError(f"{path}: {missing} subjects of the split are not in this table; rerun read_tabular")
    return table.loc[eids]


def labels_of(path: Path, target: str, eids: np.ndarray) -> np.ndarray:
    """Return the binary labels (n,) int64 of one disease for `eids`."""
    table = rows_for(path, eids)
    if target not in table:
        raise InputError(f"{path}: no label column {target}; name the disease in read_tabular.diseases")
    return table[target].to_numpy(np.int64)


def split_eids(split: Path, name: str) -> np.ndarray:
    """Return the eids (n,) of one split ("train", "val" or "test") of split.csv.

    Raises:
        InputError: if the split is empty.
    """
    table = pd.read_csv(split)
    eids = table.loc[table["split"] == name, "eid"].to_numpy(np.int64)
    if not len(eids):
        raise InputError(f"{split}: no subject in the {name} split; add subjects or change split_subjects")
    return eids


def require_both_classes(labels: np.ndarray, what: str) -> None:
    """Stop if an AUROC of `what` is not defined.

    Raises:
        InputError: if all labels (n,) are the same.
    """
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise InputError(
            f"{what}: {positives} of {len(labels)} subjects are positive, so the AUROC is not defined; "
            "use more subjects or another split_subjects.seed"
        )
