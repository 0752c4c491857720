"""Predictions of fine-tuned models: read, checked, and arranged as one matrix a model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.command import InputError

COLUMNS = ["seed", "eid", "split", "output", "y_true", "y_score"]


@dataclass(frozen=True)
class Predictions:
    """One model's predictions of one output in one split: eid (n,), y_true (n,), seeds (s,), scores (s, n)."""

    path: Path
    encoder: str
    target: str
    fraction: int
    split: str
    output: str
    eid: NDArray[np.int64]
    y_true: NDArray[np.float64]
    seeds: NDArray[np.int64]
    scores: NDArray[np.float64]


def identify(path: Path) -> tuple[str, str, int]:
    """Return (encoder, target, fraction in percent) from finetune/{encoder}/{target}/{fraction}/FILE.

    train_tabular/{target}/{fraction}/FILE gives the encoder "tabular". Raises InputError for any other path.
    """
    parts = path.parts
    if len(parts) >= 4 and parts[-4] == "train_tabular":
        encoder = "tabular"
    elif len(parts) >= 5 and parts[-5] == "finetune":
        encoder = parts[-4]
    else:
        raise InputError(
            f"{path}: expected .../finetune/ENCODER/TARGET/FRACTION/ or .../train_tabular/TARGET/FRACTION/"
        )
    if not parts[-2].isdigit():
        raise InputError(f"{path}: the folder {parts[-2]!r} must be the fraction in percent, e.g. 100")
    return encoder, parts[-3], int(parts[-2])


def read_predictions(path: Path) -> list[Predictions]:
    """Return the predictions in a parquet file, one entry a split and output, subjects sorted by eid.

    Raises InputError if a column is absent, a score is not a number, or the seeds differ in subjects or labels.
    """
    encoder, target, fraction = identify(path)
    table = pd.read_parquet(path)
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise InputError(f"{path}: no column {', '.join(absent)}; delete the file and run its step again")
    if table.empty:
        raise InputError(f"{path}: holds no predictions; delete the file and run its step again")
    if not np.isfinite(table["y_score"]).all():
        raise InputError(f"{path}: y_score holds NaN or infinity, so the training diverged; lower its base_lr")
    if len(table.drop_duplicates(["eid", "split"])) > table["eid"].nunique():
        raise InputError(f"{path}: some subjects are both in val and in test; delete the file and run its step again")
    return [
        Predictions(path, encoder, target, fraction, str(split), str(output), *_matrix(path, rows))
        for (split, output), rows in table.groupby(["split", "output"], sort=True)
    ]


def _matrix(path: Path, rows: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return (eid, y_true, seeds, scores) of rows that must hold each subject once in every seed."""
    rows = rows.sort_values(["seed", "eid"])
    seeds = rows["seed"].unique()
    if len(rows) % len(seeds):
        raise InputError(f"{path}: the seeds hold different subjects; delete the file and run its step again")
    shape = (len(seeds), -1)
    eid = rows["eid"].to_numpy().reshape(shape)
    y_true = rows["y_true"].to_numpy(np.float64).reshape(shape)
    if (eid != eid[0]).any() or (y_true != y_true[0]).any():
        raise InputError(f"{path}: the seeds hold different subjects or labels; delete the file and run its step again")
    if (np.diff(eid[0]) == 0).any():
        raise InputError(f"{path}: a subject occurs twice in one seed; delete the file and run its step again")
    return eid[0], y_true[0], seeds, rows["y_score"].to_numpy(np.float64).reshape(shape)


def check_same_subjects(predictions: Iterable[Predictions]) -> None:
    """Raise InputError naming two files if models disagree on the subjects or labels of one split and output."""
    first: dict[tuple[str, str, str], Predictions] = {}
    for entry in predictions:
        known = first.setdefault((entry.target, entry.split, entry.output), entry)
        for what, same in (
            ("subjects", np.array_equal(known.eid, entry.eid)),
            ("labels", np.array_equal(known.y_true, entry.y_true)),
        ):
            if not same:
                raise InputError(
                    f"{known.path} and {entry.path} hold different {what} in the {entry.split} split; "
                    "they come from different splits of the cohort, so run the older one again"
                )
