"""Train the tabular baseline for one target on one subset, once per seed (paper §IV-D.1, table I).

A disease is learnt from the balanced subset; a group of phenotypes, a control the paper lacks, from all training
subjects that have any of them, or a random subset of these, each phenotype by a model of its own on the subjects that
have it.
"""

import argparse
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.loading.labels import output_names
from cmr2ecg.runtime.command import InputError, run, start
from cmr2ecg.runtime.files import sha256
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.study.targets import is_regression
from cmr2ecg.training.fit.boosting import Problem, curve, fit_boosting, predict
from cmr2ecg.training.fit.choice import apply_choice, tuned_trials
from cmr2ecg.training.fit.runs import described as described_runs
from cmr2ecg.training.fit.runs import draws_of, planned_runs
from cmr2ecg.training.fit.seeds import SeedResult, SeedStore, prediction_rows
from cmr2ecg.training.fit.tabular import Fold, Tables, problems_by_draw, read_folds, tabular_parser
from cmr2ecg.training.result import digest, provenance

MODULE = "cmr2ecg.steps.train_tabular"
log = logging.getLogger(__name__)


def fit_seed(
    folds: dict[str, Fold], problems: dict[str, Problem], settings: dict, target: str, *, seed: int
) -> SeedResult:
    """Fit one seed of every output and predict val and test."""
    rows, curves = [], []
    for output, problem in problems.items():
        booster = fit_boosting(problem, settings, seed=seed)
        curves.append(curve(problem, folds["val"].covariates, booster))
        column = output_names(target).index(output)
        for name in ("val", "test"):
            fold = folds[name]
            scores = predict(booster, fold.covariates, problem.threads)
            rows.append(prediction_rows(seed, fold.eids, name, output, fold.values[:, column], scores))
    metric = "val_r" if is_regression(target) else "val_auroc"
    history = [
        {"seed": seed, "epoch": done, "val_loss": loss, metric: score}
        for done, (loss, score) in enumerate(np.mean(curves, axis=0).T.tolist())
    ]
    trees = settings["rounds"] * len(problems)
    return pd.concat(rows), history, {metric: history[-1][metric], "best_epoch": len(history) - 1, "parameters": trees}


def about(args: argparse.Namespace, folds: Mapping[str, Fold]) -> dict[str, object]:
    """Return what result.json says of a fit whatever its settings: which it is, and whom it learnt from."""
    found: dict[str, object] = {
        "step": "train_tabular",
        "name": f"tabular/{args.target}/{args.fraction}",
        "encoder": "tabular",
        "target": args.target,
        "fraction": args.fraction,
        "tuned_trials": tuned_trials(args.selected),
        **{f"n_{split}": len(fold.eids) for split, fold in folds.items()},
    }
    train = folds["train"].values
    known = not is_regression(args.target) and len(train)
    return found | ({"trained_prevalence": float(train.mean())} if known else {})


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = tabular_parser(__doc__)
    parser.add_argument("--selected", type=Path, help="choice of a sweep, whose settings replace those of the config")
    parser.add_argument("--fraction", type=int, required=True, help="percent of the training subset")
    parser.add_argument("--output", type=Path, required=True, help="folder for predictions, metrics and result.json")
    args = parser.parse_args(argv)
    start(args)
    settings = apply_choice(args.settings["method"], args.selected, "tabular", args.target)
    runs = planned_runs(settings["seeds"], args.settings, args.fraction)
    store = SeedStore(args.output)
    tables = Tables(args.covariates, args.split, args.values, args.subset)
    where = {"held_out": ("val", "test"), "fraction": args.fraction}
    by_draw = {draw: read_folds(tables, args.target, **where, draw=draw) for draw in draws_of(runs)}
    folds = by_draw[0]
    files = [*tables.paths(), *([args.selected] if args.selected else [])]
    machine = {"device": "cpu", "precision": "fp32", "threads": args.threads}
    described = {**about(args, folds), "settings": settings, "runs": described_runs(runs)}
    described |= {"seeds": [run.seed for run in runs]}
    try:
        problems, skipped = problems_by_draw(by_draw, args.target, threads=args.threads)
    except InputError as error:
        described["provenance"] = provenance(MODULE, files, started, **machine)
        store.write_skipped(described, " ".join(str(error).split()))
        log.warning("train_tabular %s: skipped: %s", described["name"], error)
        return

    draw_of = {run.seed: run.draw for run in runs}

    def fit(seed: int) -> SeedResult:
        draw = draw_of[seed]
        return fit_seed(by_draw[draw], problems[draw], settings, args.target, seed=seed)

    method = {key: value for key, value in settings.items() if key != "seeds"}
    given = [method, args.threads, fingerprint(MODULE), [sha256(path) for path in tables.paths()]]
    cache_keys = {run.seed: digest([given, run.draw]) for run in runs}
    label = f"train_tabular {described['name']}"
    results = store.run(cache_keys, fit, label=label)
    described |= {"outputs": list(problems[0]), "skipped_outputs": skipped}
    described["provenance"] = provenance(MODULE, files, started, **machine)
    store.write_outcome(results, described)


if __name__ == "__main__":
    run(main)
