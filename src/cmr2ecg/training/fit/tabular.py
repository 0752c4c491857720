"""Who the tabular baseline is trained and tested on, and which outputs it can learn (paper §IV-D.1)."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.cohort.subsets import no_training_set, of_draw
from cmr2ecg.loading.labels import output_names, output_values, rows_for, split_eids, unusable
from cmr2ecg.runtime.command import InputError, step_parser
from cmr2ecg.study.targets import WHOLE, is_regression, on_subset
from cmr2ecg.training.fit.boosting import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """Subjects of a split: eids (n,), covariates (n rows) and values (n, outputs)."""

    eids: np.ndarray
    covariates: pd.DataFrame
    values: np.ndarray


@dataclass(frozen=True)
class Tables:
    """The files behind the folds; `subset` is None for a whole group of phenotypes, `values` holds labels or these."""

    covariates: Path
    split: Path
    values: Path
    subset: Path | None

    def paths(self) -> list[Path]:
        """Return the files that are there."""
        return [path for path in (self.covariates, self.split, self.values, self.subset) if path]


def tabular_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the arguments of a step that learns one target from covariates."""
    parser = step_parser(description)
    parser.add_argument("--covariates", type=Path, required=True, help="covariates.parquet")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--values", type=Path, required=True, help="labels.parquet, for phenotypes phenotypes.parquet")
    parser.add_argument(
        "--subset", type=Path, help="training subset of balance_subset; none for a whole group of phenotypes"
    )
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    return parser


def read_folds(
    tables: Tables, target: str, held_out: Sequence[str], *, fraction: int = WHOLE, draw: int = 0
) -> dict[str, Fold]:
    """Return the fold "train", of one draw of a subset, and the held-out ones.

    Raises:
        InputError: if a subset is given for a whole group of phenotypes or none for anything else, or a table lacks
            something.
    """
    if on_subset(target, fraction) == (tables.subset is None):
        wanted = "the subset of balance_subset" if tables.subset is None else "all subjects with its phenotypes"
        raise InputError(f"{target} at {fraction} % is trained on {wanted}; see --subset")
    eids = {"train": training_eids(tables, target, draw)} | {name: split_eids(tables.split, name) for name in held_out}
    return {
        name: Fold(chosen, rows_for(tables.covariates, chosen), output_values(tables.values, target, chosen))
        for name, chosen in eids.items()
    }


def training_eids(tables: Tables, target: str, draw: int = 0) -> np.ndarray:
    """Return a draw of the subset, or without one the training subjects who have any phenotype of a group."""
    if tables.subset is not None:
        return of_draw(pd.read_csv(tables.subset), draw)["eid"].to_numpy(np.int64)
    eids = split_eids(tables.split, "train")
    return eids[~np.isnan(output_values(tables.values, target, eids)).all(axis=1)]


def problems_by_draw(
    by_draw: dict[int, dict[str, Fold]], target: str, *, threads: int
) -> tuple[dict[int, dict[str, Problem]], dict[str, str]]:
    """Return {draw: {output: problem}} of the outputs that can be learnt on every draw, {output: reason} of the others.

    Raises:
        InputError: if none can on one draw, or none on all.
    """
    found = {draw: problems_of(folds, target, threads=threads) for draw, folds in by_draw.items()}
    skipped = {name: reason for _, reasons in found.values() for name, reason in reasons.items()}
    if skipped.keys() >= set(output_names(target)):
        raise InputError(f"{target}: no output can be learnt from covariates on every draw of the subset")
    kept = {
        draw: {name: problem for name, problem in problems.items() if name not in skipped}
        for draw, (problems, _) in found.items()
    }
    return kept, skipped


def problems_of(folds: dict[str, Fold], target: str, *, threads: int) -> tuple[dict[str, Problem], dict[str, str]]:
    """Return {output: problem} of the outputs that can be learnt and {output: reason} of the others.

    Raises:
        InputError: if none can; gives the first reason.
    """
    train, val = folds["train"], folds["val"]
    if not len(train.eids):
        raise InputError(no_training_set(target))
    problems, skipped = {}, {}
    for column, name in enumerate(output_names(target)):
        values, val_values = train.values[:, column], val.values[:, column]
        reason = unusable(target, values, val_values)
        if reason:
            log.warning("%s: %s is left out: %s", target, name, reason)
            skipped[name] = reason
            continue
        columns = train.covariates, values, val.covariates, val_values
        problems[name] = Problem.of(*columns, regression=is_regression(target), threads=threads)
    if not problems:
        name, reason = next(iter(skipped.items()))
        raise InputError(f"{target}: no output can be learnt from covariates; {name} has {reason}")
    return problems, skipped
