"""A target's outputs and the subjects' values: the label of a disease, or the phenotypes of a group (§IV-B)."""

from pathlib import Path

import numpy as np

from cmr2ecg.data.labels import labels_of, rows_for
from cmr2ecg.runtime.command import InputError
from cmr2ecg.ukb.phenotypes import GROUPS, phenotype_names

FEWEST_VALUES = 10  # of a phenotype in the training set


def is_phenotypes(target: str) -> bool:
    """Return whether a target is a group of phenotypes; every other name is a disease."""
    return target in GROUPS


def output_names(target: str) -> list[str]:
    """Return the outputs of a target: the group's phenotypes, or the disease itself."""
    return phenotype_names(target) if is_phenotypes(target) else [target]


def output_values(table: Path, target: str, eids: np.ndarray) -> np.ndarray:
    """Return (n, outputs) float64: 0 or 1, or values in the phenotypes' units with NaN where absent.

    table: labels.parquet for a disease, phenotypes.parquet for a group.

    Raises:
        InputError: if the table lacks a subject or a column.
    """
    if not is_phenotypes(target):
        return labels_of(table, target, eids).astype(float)[:, None]
    rows = rows_for(table, eids)
    absent = [name for name in output_names(target) if name not in rows]
    if absent:
        raise InputError(f"{table}: no column {absent[0]}; rerun read_tabular")
    return rows[output_names(target)].to_numpy(float)


def unusable(target: str, train: np.ndarray, val: np.ndarray) -> str:
    """Return why one output cannot be learnt or scored, or "" if it can.

    train, val: (n,) values, NaN where absent.
    """
    for where, values, fewest in (("training", train, FEWEST_VALUES if is_phenotypes(target) else 2), ("val", val, 2)):
        present = values[~np.isnan(values)]
        if len(present) < fewest:
            return f"{len(present)} values in the {where} set, fewer than {fewest}"
        if (present == present[0]).all():
            return f"the same value for all {len(present)} subjects of the {where} set"
    return ""
