"""Splits, labels, phenotypes and covariates of given subjects, and the outputs of a target (§IV-B)."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import is_regression
from cmr2ecg.tables.phenotypes import phenotype_names


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


MIN_VALUES = 10  # of a phenotype in the training set


def output_names(target: str) -> list[str]:
    """Return the outputs of a target: the group's phenotypes, or the disease itself."""
    return phenotype_names(target) if is_regression(target) else [target]


def output_values(table: Path, target: str, eids: np.ndarray) -> np.ndarray:
    """Return (n, outputs) float64: 0 or 1, or values in the phenotypes' units with NaN where absent.

    table: labels.parquet for a disease, phenotypes.parquet for a group.

    Raises:
        InputError: if the table lacks a subject or a column.
    """
    if not is_regression(target):
        return labels_of(table, target, eids).astype(float)[:, None]
    rows = rows_for(table, eids)
    absent = [name for name in output_names(target) if name not in rows]
    if absent:
        raise InputError(f"{table}: no column {absent[0]}; rerun read_tabular")
    return rows[output_names(target)].to_numpy(float)


def unusable(target: str, train: np.ndarray, val: np.ndarray) -> str:
    """Return why one output cannot be trained or scored, or "" if it can.

    train, val: (n,) values, NaN where absent.
    """
    for where, values, fewest in (("training", train, MIN_VALUES if is_regression(target) else 2), ("val", val, 2)):
        present = values[~np.isnan(values)]
        if len(present) < fewest:
            return f"{len(present)} values in the {where} set, fewer than {fewest}"
        if (present == present[0]).all():
            return f"the same value for all {len(present)} subjects of the {where} set"
    return ""
