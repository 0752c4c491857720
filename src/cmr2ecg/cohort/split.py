"""Split subjects into training, validation and test sets (paper §IV-A): stratified on their diseases, or by a hash."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import SPLITS


def split_subjects(
    labels: pd.DataFrame, columns: Sequence[str], shares: Mapping[str, float], seed: int
) -> pd.DataFrame:
    """Return eid, split of every subject, in order of eid.

    Subjects are drawn within each combination of labels (cad x af x dm), so that the sets agree in all prevalences and
    overlaps of diseases.

    Args:
        labels: eid and the label columns.
        columns: labels to stratify on.
        shares: share of each split; they add up to 1.
        seed: of the random draw.
    """
    labels = labels.sort_values("eid", ignore_index=True)
    stratum = labels.groupby(list(columns), sort=True).ngroup().to_numpy()
    counts = allocate(np.bincount(stratum), split_sizes(len(labels), shares))
    generator = np.random.default_rng(seed)
    split = np.empty(len(labels), dtype=object)
    for index, row in enumerate(counts):
        members = generator.permutation(np.flatnonzero(stratum == index))
        split[members] = np.repeat(SPLITS, row)
    return pd.DataFrame({"eid": labels["eid"], "split": split})


def by_subject(labels: pd.DataFrame, visits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labels of subjects, a disease being that of any of their recordings, and eid, subject of recordings.

    Args:
        labels: eid and diseases of every recording.
        visits: eid and subject.
    """
    belongs = labels[["eid"]].merge(visits[["eid", "subject"]], on="eid", how="left", validate="one_to_one")
    subjects = labels.drop(columns="eid").groupby(belongs["subject"].to_numpy()).max()
    return subjects.rename_axis("eid").reset_index(), belongs


def of_recordings(split: pd.DataFrame, belongs: pd.DataFrame) -> pd.DataFrame:
    """Return eid, split of every recording, in order of eid, from the split of subjects and `by_subject`."""
    found = belongs.merge(split.rename(columns={"eid": "subject"}), on="subject", validate="many_to_one")
    return found[["eid", "split"]].sort_values("eid", ignore_index=True)


def given_split(eids: np.ndarray, visits: pd.DataFrame) -> pd.DataFrame:
    """Return eid, split of every recording as the data set gives it.

    Raises:
        InputError: if some have none, or a split has nobody; counts them.
    """
    split = visits[visits["eid"].isin(eids)][["eid", "split"]].sort_values("eid", ignore_index=True)
    without = int((~split["split"].isin(SPLITS)).sum())
    empty = [name for name in SPLITS if not (split["split"] == name).any()]
    if without or empty:
        raise InputError(
            f"split_subjects.method is given, yet {without:,} of {len(split):,} recordings have no split and "
            f"{', '.join(empty) or 'none'} of the splits is empty; name the column in recordings.split, or the column "
            "split of the csv"
        )
    return split


def hash_subjects(eids: np.ndarray, shares: Mapping[str, float], seed: int) -> pd.DataFrame:
    """Return eid, split of every subject, in order of eid, by a hash of the eid and the seed.

    A subject's split depends on no other subject, so that later additions or withdrawals change no other split. Sizes
    and prevalences are exact only on average.

    Args:
        eids: (n,).
        shares: share of each split; they add up to 1.
        seed: another seed gives another division.
    """
    eids = np.sort(eids)
    digests = b"".join(hashlib.sha256(f"{seed}:{eid}".encode()).digest()[:8] for eid in eids.tolist())
    place = np.frombuffer(digests, ">u8") / 2.0**64  # uniform in [0, 1)
    borders = np.cumsum([shares[name] for name in SPLITS])[:-1]
    return pd.DataFrame({"eid": eids, "split": np.array(SPLITS, object)[np.searchsorted(borders, place, side="right")]})


def split_sizes(subjects: int, shares: Mapping[str, float]) -> np.ndarray:
    """Return the sizes (3,) of train, val and test; the paper's 28,030 / 6,007 / 6,007 for 40,044 subjects.

    Training is rounded down, the rest is divided between validation and test.
    """
    train = int(np.floor(subjects * shares["train"] + 1e-9))
    left = subjects - train
    held_out = shares["val"] + shares["test"]
    val = int(np.floor(left * shares["val"] / held_out + 0.5)) if held_out else 0
    return np.array([train, val, left - val])


def allocate(strata: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many members of each stratum go to each split, (strata, splits) integers.

    Rows sum to `strata`, columns to `sizes`. Every cell gets the integer part of its proportional share; the rest is
    assigned by largest remainder, as long as row and column are not exhausted.
    """
    share = np.outer(strata, sizes) / max(int(sizes.sum()), 1)
    counts = np.floor(share + 1e-9).astype(int)
    rows, columns = strata - counts.sum(axis=1), sizes - counts.sum(axis=0)
    order = np.argsort((counts - share).ravel(), kind="stable")
    while rows.any():  # a second round only if remainders alone leave a row without a partner
        for row, column in zip(*np.unravel_index(order, share.shape), strict=True):
            if rows[row] > 0 and columns[column] > 0:
                counts[row, column] += 1
                rows[row] -= 1
                columns[column] -= 1
    return counts
