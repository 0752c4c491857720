"""Train the tabular baseline for one target on one subset, once per seed (paper §IV-D.1, table I).

A disease is learnt from the balanced subset; a group of phenotypes, a control the paper lacks, from all training
subjects that have any of them, each phenotype by a model of its own on the subjects that have it.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.command import InputError, run, start, step_parser
from cmr2ecg.data.labels import rows_for, split_eids
from cmr2ecg.data.outputs import is_phenotypes, output_names, output_values, unusable
from cmr2ecg.files import sha256
from cmr2ecg.imports import code_digest
from cmr2ecg.sweeps.choice import apply_choice
from cmr2ecg.training.boosting import Problem, curve, fit_boosting, predict
from cmr2ecg.training.result import digest, provenance
from cmr2ecg.training.seeds import SeedResult, prediction_rows, run_seeds, write_outcome

MODULE = "cmr2ecg.steps.train_tabular"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """Subjects of a split: eids (n,), covariates (n rows) and values (n, outputs)."""

    eids: np.ndarray
    covariates: pd.DataFrame
    values: np.ndarray


def training_eids(split: Path, subset: Path | None, table: Path, target: str) -> np.ndarray:
    """Return the balanced subset of a disease, or the training subjects who have any phenotype of a group."""
    if subset is not None:
        return pd.read_csv(subset)["eid"].to_numpy(np.int64)
    eids = split_eids(split, "train")
    return eids[~np.isnan(output_values(table, target, eids)).all(axis=1)]


def usable_outputs(target: str, train: np.ndarray, val: np.ndarray) -> tuple[list[int], dict[str, str]]:
    """Return the columns that can be learnt and {output: reason} of the others.

    Raises:
        InputError: if none can; gives the first reason.
    """
    reasons = {name: unusable(target, train[:, k], val[:, k]) for k, name in enumerate(output_names(target))}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in skipped.items():
        log.warning("train_tabular %s: %s is left out: %s", target, name, reason)
    kept = [k for k, reason in enumerate(reasons.values()) if not reason]
    if not kept:
        name, reason = next(iter(skipped.items()))
        raise InputError(f"{target}: no output can be learnt from covariates; {name} has {reason}")
    return kept, skipped


def fit_seed(
    folds: dict[str, Fold], problems: dict[int, Problem], settings: dict, target: str, *, seed: int
) -> SeedResult:
    """Fit one seed of every output and predict val and test."""
    rows, curves = [], []
    for column, problem in problems.items():
        booster = fit_boosting(problem, settings, seed=seed)
        curves.append(curve(problem, folds["val"].covariates, booster))
        for name in ("val", "test"):
            fold = folds[name]
            scores = predict(booster, fold.covariates, problem.threads)
            output = output_names(target)[column]
            rows.append(prediction_rows(seed, fold.eids, name, output, fold.values[:, column], scores))
    metric = "val_r" if is_phenotypes(target) else "val_auroc"
    history = [
        {"seed": seed, "epoch": done, "val_loss": loss, metric: score}
        for done, (loss, score) in enumerate(np.mean(curves, axis=0).T.tolist())
    ]
    trees = settings["rounds"] * len(problems)
    return pd.concat(rows), history, {metric: history[-1][metric], "best_epoch": len(history) - 1, "parameters": trees}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = step_parser(__doc__)
    parser.add_argument("--covariates", type=Path, required=True, help="covariates.parquet")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--values", type=Path, required=True, help="labels.parquet, for phenotypes phenotypes.parquet")
    parser.add_argument("--subset", type=Path, help="balanced training subset of a disease, csv with eid and label")
    parser.add_argument("--selected", type=Path, help="choice of a sweep, whose settings replace those of the config")
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    parser.add_argument("--fraction", type=int, required=True, help="percent of the training subset")
    parser.add_argument("--output", type=Path, required=True, help="folder for predictions, metrics and result.json")
    args = parser.parse_args(argv)
    if is_phenotypes(args.target) == (args.subset is not None):
        raise InputError(f"train_tabular: --subset goes with a disease and with nothing else, not with {args.target}")
    return args


def read_folds(args: argparse.Namespace) -> dict[str, Fold]:
    """Return train, val and test."""
    eids = {name: split_eids(args.split, name) for name in ("val", "test")}
    eids["train"] = training_eids(args.split, args.subset, args.values, args.target)
    return {
        name: Fold(chosen, rows_for(args.covariates, chosen), output_values(args.values, args.target, chosen))
        for name, chosen in eids.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    args = parse(argv)
    start(args)
    settings = apply_choice(args.settings, args.selected, "tabular", args.target)
    folds = read_folds(args)
    train, val = folds["train"], folds["val"]
    kept, skipped = usable_outputs(args.target, train.values, val.values)
    kind = {"regression": is_phenotypes(args.target), "threads": args.threads}
    problems = {
        k: Problem.of(train.covariates, train.values[:, k], val.covariates, val.values[:, k], **kind) for k in kept
    }

    def fit(seed: int) -> SeedResult:
        return fit_seed(folds, problems, settings, args.target, seed=seed)

    inputs = [path for path in (args.covariates, args.split, args.values, args.subset, args.selected) if path]
    owner = digest([settings, code_digest(MODULE), [sha256(path) for path in inputs]])
    name = f"tabular/{args.target}/{args.fraction}"
    results = run_seeds(settings["seeds"], fit, directory=args.output, owner=owner, label=f"train_tabular {name}")
    machine = {"device": "cpu", "precision": "fp32", "threads": args.threads}
    described = {
        "step": "train_tabular",
        "name": name,
        "encoder": "tabular",
        "target": args.target,
        "fraction": args.fraction,
        "settings": settings,
        "seeds": settings["seeds"],
        "skipped_outputs": skipped,
        "n_train": len(train.eids),
        "n_val": len(val.eids),
        "n_test": len(folds["test"].eids),
        "provenance": provenance(MODULE, inputs, started, **machine),
    }
    write_outcome(args.output, results, described)


if __name__ == "__main__":
    run(main)
