"""The recordings and values that all fits of one encoder share: read once, cut to folds by target and fraction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.cohort.subsets import no_training_set, of_draw
from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData, View
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import on_subset
from cmr2ecg.training.fit.finetune import Fold
from cmr2ecg.training.fit.targets import Task, task_of, values_of


@dataclass(frozen=True)
class Tables:
    """Files that say who is trained and tested on what; `subsets` is the folder of balance_subset."""

    split: Path
    subsets: Path
    labels: Path
    phenotypes: Path


def parse_fit(text: str) -> tuple[str, int]:
    """Return (target, fraction) of "cad/100"; raises ValueError for other text, as argparse wants it."""
    target, fraction = text.split("/")
    return target, int(fraction)


def subset_files(folder: Path, fits: Sequence[tuple[str, int]]) -> list[Path]:
    """Return the subsets that some fits are trained on, of those in the folder of balance_subset.

    Raises:
        InputError: if one is missing.
    """
    files = []
    for target, fraction in fits:
        if on_subset(target, fraction):
            files.append(folder / f"{target}_{fraction}.csv")
            if not files[-1].is_file():
                raise InputError(f"{files[-1]} is missing, which says who {target} is trained on; run balance_subset")
    return files


def training_eids(task: Task, fraction: int, tables: Tables, draw: int | None = None) -> np.ndarray:
    """Return the subjects a target is trained on: its subset, or all with a phenotype of the group (§IV-B).

    draw: of the subset; None: all draws.

    Raises:
        InputError: if there is none, or the subset's file is missing.
    """
    if on_subset(task.target, fraction):
        (path,) = subset_files(tables.subsets, [(task.target, fraction)])
        subset = pd.read_csv(path)
        eids = (subset if draw is None else of_draw(subset, draw))["eid"].to_numpy(np.int64)
        if not len(eids):
            raise InputError(no_training_set(task.target))
        return eids
    eids = split_eids(tables.split, "train")
    there = np.isfinite(values_of(task, tables.labels, tables.phenotypes, eids)).any(axis=1)
    if not there.any():
        raise InputError(no_training_set(task.target))
    return eids[there]


class Subjects:
    """One copy of the recordings that the fits named need.

    Args:
        dataset: dataset.h5.
        tables: who and what.
        fits: (target, fraction) of all fits that will be asked for; one that cannot be had counts for nothing here.
        field: "ecg" or "cmr".
        splits: held-out splits to read; a search over settings reads "val" only.
        memory_mb, image_size: as PairedData's.
    """

    def __init__(
        self,
        dataset: Path,
        tables: Tables,
        fits: Sequence[tuple[str, int]],
        field: str,
        *,
        splits: Sequence[str] = ("val", "test"),
        memory_mb: float,
        image_size: int | None = None,
    ) -> None:
        self.tables = tables
        self.held_out = {name: split_eids(tables.split, name) for name in splits}
        wanted = list(self.held_out.values())
        for target, fraction in fits:
            try:
                wanted.append(training_eids(task_of(target), fraction, tables))
            except InputError:
                continue  # the fit itself says so
        self.eids = np.unique(np.concatenate(wanted))
        self.data = PairedData(dataset, self.eids, (field,), memory_mb=memory_mb, image_size=image_size)

    def fold(self, task: Task, name: str, fraction: int = 100, draw: int = 0) -> Fold:
        """Return the fold "train" of a fraction's draw, or a held-out split, with the target's values.

        Raises:
            InputError: if a table lacks the target or a subject, or there is no subject.
        """
        eids = training_eids(task, fraction, self.tables, draw) if name == "train" else self.held_out[name]
        values = values_of(task, self.tables.labels, self.tables.phenotypes, eids)
        return Fold(View(self.data, np.searchsorted(self.eids, eids)), eids, values)

    def folds(self, task: Task, fraction: int, draws: Sequence[int]) -> dict[int, dict[str, Fold]]:
        """Return {draw: folds}: "train" of each draw, and the held-out splits, which all share.

        Raises:
            InputError: as `fold`.
        """
        held_out = {name: self.fold(task, name) for name in self.held_out}
        return {draw: {"train": self.fold(task, "train", fraction, draw), **held_out} for draw in draws}
