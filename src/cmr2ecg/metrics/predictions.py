"""Predictions of fitted models: read, checked, and arranged as one matrix an output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import is_regression

COLUMNS = ["seed", "eid", "split", "output", "y_true", "y_score"]
FITS = ("finetune", "probe", "train_tabular")  # steps that write predictions; a fit's folder is below its step's
TABULAR = "tabular"
STACKED = "stacked"  # in place of a step: regressions of the step evaluate on several models' predictions
WITH_TABULAR = "+tabular"  # ends the name of an ECG encoder that is stacked with the tabular side
TABULAR_ALONE = "tabular_alone"  # the tabular side of the stacks by itself
AGAIN = "delete the file and run its step again"

Key = tuple[str, str, str, int]  # what tells one model from another: fit, encoder, target, fraction in percent


@dataclass(frozen=True)
class Predictions:
    """One model's predictions of one output in one split: eid (n,), y_true (n,), seeds (s,), scores (s, n).

    fit: the step that made them, one of FITS, or STACKED. y_true of a phenotype is NaN where the subject has none.
    """

    path: Path
    fit: str
    encoder: str
    target: str
    fraction: int
    split: str
    output: str
    eid: NDArray[np.int64]
    y_true: NDArray[np.float64]
    seeds: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def model(self) -> Key:
        """The key of the model."""
        return self.fit, self.encoder, self.target, self.fraction


def identify(path: Path) -> Key:
    """Return a model's key from {finetune,probe}/{encoder}/{target}/{fraction}/FILE.

    train_tabular/{target}/{fraction}/FILE gives the encoder "tabular". Raises InputError for any other path.
    """
    parts = path.parts
    if len(parts) >= 4 and parts[-4] == "train_tabular":
        fit, encoder = parts[-4], TABULAR
    elif len(parts) >= 5 and parts[-5] in ("finetune", "probe"):
        fit, encoder = parts[-5], parts[-4]
    else:
        raise InputError(
            f"{path}: expected .../finetune/ENCODER/TARGET/FRACTION/, .../probe/ENCODER/TARGET/FRACTION/ or "
            ".../train_tabular/TARGET/FRACTION/"
        )
    if not parts[-2].isdigit():
        raise InputError(f"{path}: the folder {parts[-2]!r} must be the fraction in percent, e.g. 100")
    return fit, encoder, parts[-3], int(parts[-2])


def fit_of(encoder: str) -> str:
    """Return the step that fits the paper's model of an encoder, or of the tabular baseline."""
    return "train_tabular" if encoder == TABULAR else "finetune"


def read_predictions(path: Path) -> list[Predictions]:
    """Return the predictions in a parquet file, one entry a split and output, subjects sorted by eid.

    Raises:
        InputError: a column or label is absent, a score is not a number, the seeds differ in subjects or labels, or a
            subject is in two splits.
    """
    model = identify(path)
    columns = _columns(path)
    if not np.isfinite(columns["y_score"]).all():
        raise InputError(f"{path}: y_score holds NaN or infinity, so the training diverged; lower its base_lr")
    if not is_regression(model[2]) and np.isnan(columns["y_true"]).any():
        raise InputError(f"{path}: y_true holds NaN; {AGAIN}")
    entries = list(_entries(path, model, columns))
    seen: dict[str, NDArray] = {}
    for entry in entries:
        seen.setdefault(entry.split, entry.eid)
    splits = list(seen.values())
    if any(np.intersect1d(a, b).size for i, a in enumerate(splits) for b in splits[:i]):
        raise InputError(f"{path}: some subjects are both in val and in test; {AGAIN}")
    return entries


def _columns(path: Path) -> dict[str, NDArray]:
    """Return the columns as arrays, split and output as codes beside `split_names` and `output_names`."""
    table = pq.read_table(path)
    absent = [name for name in COLUMNS if name not in table.column_names]
    if absent:
        raise InputError(f"{path}: no column {', '.join(absent)}; {AGAIN}")
    if table.num_rows == 0:
        raise InputError(f"{path}: holds no predictions; {AGAIN}")
    columns = {name: table[name].to_numpy() for name in ("seed", "eid")}
    columns |= {name: table[name].to_numpy().astype(np.float64) for name in ("y_true", "y_score")}
    for name in ("split", "output"):
        codes = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        columns[name] = codes.indices.to_numpy()
        columns[f"{name}_names"] = np.array(codes.dictionary.to_pylist())
    return columns


def _entries(path: Path, model: Key, columns: dict[str, NDArray]) -> Iterator[Predictions]:
    """Yield one entry a split and output, in order of their names."""
    names = {kind: columns[f"{kind}_names"].tolist() for kind in ("split", "output")}
    for split in sorted(names["split"]):
        for output in sorted(names["output"]):
            here = (columns["split"] == names["split"].index(split)) & (
                columns["output"] == names["output"].index(output)
            )
            rows = np.flatnonzero(here)
            if rows.size:
                matrix = _matrix(path, *(columns[name][rows] for name in ("seed", "eid", "y_true", "y_score")))
                yield Predictions(path, *model, split, output, *matrix)


def _matrix(
    path: Path, seed: NDArray, eid: NDArray, y_true: NDArray, y_score: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return (eid, y_true, seeds, scores) of rows that must hold each subject once in every seed."""
    order = np.lexsort([eid, seed])
    seeds = np.unique(seed)
    if len(order) % len(seeds):
        raise InputError(f"{path}: the seeds hold different subjects; {AGAIN}")
    seed, eid, y_true, y_score = (values[order].reshape(len(seeds), -1) for values in (seed, eid, y_true, y_score))
    if (
        (seed != seeds[:, None]).any()
        or (eid != eid[0]).any()
        or not np.array_equal(y_true, np.broadcast_to(y_true[0], y_true.shape), equal_nan=True)
    ):
        raise InputError(f"{path}: the seeds hold different subjects or labels; {AGAIN}")
    if (np.diff(eid[0]) == 0).any():
        raise InputError(f"{path}: a subject occurs twice in one seed; {AGAIN}")
    return eid[0], y_true[0], seeds, y_score


def check_same_subjects(predictions: Iterable[Predictions]) -> None:
    """Raise InputError naming two files if models disagree on the subjects or labels of one split and output."""
    first: dict[tuple[str, str, str], Predictions] = {}
    for entry in predictions:
        known = first.setdefault((entry.target, entry.split, entry.output), entry)
        for what, same in (
            ("subjects", np.array_equal(known.eid, entry.eid)),
            ("labels", np.array_equal(known.y_true, entry.y_true, equal_nan=True)),
        ):
            if not same:
                raise InputError(
                    f"{known.path} and {entry.path} hold different {what} in the {entry.split} split; "
                    "they come from different splits of the cohort, so run the older one again"
                )
