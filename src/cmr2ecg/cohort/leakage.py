"""Check that no training data leak into the validation or test split (paper §IV-A)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from cmr2ecg.cohort.split import SPLITS
from cmr2ecg.runtime.command import InputError

DUPLICATES = ["recording", "group", "kind", "eid", "split"]
UNPAIRED = "unpaired"  # instead of a split: an ECG without an image, used in pre-training
Groups = Sequence[tuple[str, Sequence[int]]]  # kind, rows


def check_subjects(eids: np.ndarray, split: pd.DataFrame, labels: pd.DataFrame, visits: pd.DataFrame) -> None:
    """Raise unless each subject of the data set occurs once, with one visit, one row of labels and one split.

    Args:
        eids: (n,) of the data set.
        split: eid, split.
        labels: eid and diseases.
        visits: eid, one row per visit.

    Raises:
        InputError: counts the subjects; names no eid.
    """
    tables = {
        name: table["eid"].to_numpy() for name, table in (("split", split), ("labels", labels), ("visits", visits))
    }
    for name, found in {"data set": eids, **tables}.items():
        repeated = len(found) - len(np.unique(found))
        if repeated:
            raise InputError(
                f"audit_leakage: {repeated} rows of the {name} repeat a subject, such as a second visit; each must "
                "occur once. Delete that step's output and run again"
            )
    unknown = sorted(set(split["split"].astype(str)) - set(SPLITS))
    if unknown:
        raise InputError(f"audit_leakage: split.csv has {len(unknown)} splits beyond {', '.join(SPLITS)}; delete it")
    for name, found in tables.items():
        absent = len(np.setdiff1d(eids, found))
        if absent:
            raise InputError(f"audit_leakage: {absent} subjects of the data set are not in the {name}; run it again")
    beside = len(np.setdiff1d(split["eid"], eids))
    if beside:
        raise InputError(f"audit_leakage: {beside} subjects of the split are not in the data set; rerun split_subjects")


def check_recordings(split: pd.DataFrame, visits: pd.DataFrame) -> None:
    """Raise if recordings of one subject are in several splits.

    Args:
        split: eid, split.
        visits: eid, subject.

    Raises:
        InputError: counts the subjects; names none.
    """
    reach = split.merge(visits[["eid", "subject"]], on="eid").groupby("subject")["split"].nunique()
    crossing = int((reach > 1).sum())
    if crossing:
        raise InputError(
            f"audit_leakage: {crossing} subjects have recordings in several splits; if the split is given, the folds "
            "of the data set are not by subject: take another column in recordings.split, or in recordings.subject"
        )


def check_unpaired(eids: np.ndarray, unpaired: np.ndarray) -> None:
    """Raise unless each unpaired subject occurs once and is not in the data set.

    eids: (n,) of the data set. unpaired: (m,) of unpaired.h5.

    Raises:
        InputError: counts the subjects; names no eid.
    """
    repeated, both = len(unpaired) - len(np.unique(unpaired)), len(np.intersect1d(eids, unpaired))
    if repeated or both:
        raise InputError(
            f"audit_leakage: {repeated} rows of the unpaired ECGs repeat a subject and {both} subjects are also in the "
            "data set; delete the results of assemble_dataset and run again"
        )


def duplicate_table(groups: Mapping[str, Groups], eids: np.ndarray, split: np.ndarray) -> pd.DataFrame:
    """Return one row per subject that shares a recording: recording, group, kind, eid, split.

    Args:
        groups: recording (ecg or cmr) -> groups of rows.
        eids, split: (n,) of the data set, followed by the unpaired.
    """
    rows = [
        (recording, number, kind, int(eids[row]), split[row])
        for recording, found in groups.items()
        for number, (kind, members) in enumerate(found, start=1)
        for row in members
    ]
    return pd.DataFrame(rows, columns=DUPLICATES)


def crossing(duplicates: pd.DataFrame) -> pd.Series:
    """Return for each recording (ecg, cmr) the number of groups in more than one split; empty if there are none.

    The unpaired count as train, since they are also trained on.
    """
    trained = duplicates.assign(split=duplicates["split"].replace(UNPAIRED, "train"))
    reach = trained.groupby(["recording", "group"])["split"].nunique()
    return reach[reach > 1].groupby("recording").size()


def among_pairs(duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return the table without the unpaired: groups of two subjects or more."""
    pairs = duplicates[duplicates["split"] != UNPAIRED]
    return pairs[pairs.groupby(["recording", "group"])["eid"].transform("size") > 1]


def check_duplicates(duplicates: pd.DataFrame, where: str) -> None:
    """Raise if a recording is in several splits.

    Raises:
        InputError: counts the recordings; names no eid but the table that does.
    """
    found = crossing(duplicates)
    if len(found):
        counted = ", ".join(f"{name} {count}" for name, count in found.items())
        raise InputError(
            f"audit_leakage: recordings in more than one split under two eids: {counted}. {where} names them; "
            "put all but one subject of each group on a list in raw.excluded, or raise "
            "audit_leakage.duplicate_correlation if they are not the same"
        )


def check_labelled(subset: pd.DataFrame, train: np.ndarray, labels: pd.Series, name: str, pairs: bool) -> None:
    """Raise unless a subset's subjects are distinct, from train only, labelled as in the table, and balanced if wanted.

    Args:
        subset: eid, label.
        train: eids of the training split.
        labels: the target's labels by eid.
        name: of the subset, for the message.
        pairs: whether there must be as many negatives as positives.

    Raises:
        InputError: counts the subjects; names no eid.
    """
    wrong = int((labels.reindex(subset["eid"]).to_numpy() != subset["label"].to_numpy()).sum())
    positives = int(subset["label"].sum())
    unsound = [
        (wrong, "labels differ from labels.parquet"),
        (pairs * abs(2 * positives - len(subset)), "subjects too many: positives and negatives differ in number"),
    ]
    _refuse([*_misplaced(subset["eid"].to_numpy(), train), *unsound], name)


def check_random(subset: pd.DataFrame, train: np.ndarray, measured: np.ndarray, name: str) -> None:
    """Raise unless a subset's subjects are distinct, from train only, and each has a value.

    Args:
        subset: eid.
        train, measured: eids of the training split, and of those in it who have a phenotype of the group.
        name: of the subset, for the message.

    Raises:
        InputError: counts the subjects; names no eid.
    """
    eids = subset["eid"].to_numpy()
    without = int((~np.isin(eids, measured)).sum())
    _refuse([*_misplaced(eids, train), (without, "subjects have none of the group's phenotypes")], name)


def _misplaced(eids: np.ndarray, train: np.ndarray) -> list[tuple[int, str]]:
    """Return the numbers of a subset's repeated subjects and of those not in train, each with its description."""
    repeated, outside = len(eids) - len(np.unique(eids)), int((~np.isin(eids, train)).sum())
    return [(repeated, "subjects occur twice"), (outside, "subjects are not in the training split")]


def _refuse(unsound: Sequence[tuple[int, str]], name: str) -> None:
    for count, what in unsound:
        if count:
            raise InputError(f"audit_subsets: {name}: {count} {what}; delete the file and run the workflow again")


def check_nested(subsets: Sequence[tuple[float, pd.DataFrame]], target: str) -> None:
    """Raise unless each subset is nested in every larger one.

    Args:
        subsets: (fraction, table with eid).
        target: for the message.

    Raises:
        InputError: names the two fractions.
    """
    ordered = sorted(subsets, key=lambda item: item[0])
    for (small, inner), (large, outer) in pairwise(ordered):
        astray = len(np.setdiff1d(inner["eid"], outer["eid"]))
        if astray:
            raise InputError(
                f"audit_subsets: {astray} subjects of {target}'s {small:g} % subset are not in its {large:g} % subset; "
                "delete both files and run the workflow again"
            )
