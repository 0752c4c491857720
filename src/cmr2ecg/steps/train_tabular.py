"""Train the tabular baseline for one or many targets and training subsets, once per seed (paper §IV-D.1, table I).

A disease is learnt from the balanced subset; a group of phenotypes, a control the paper lacks, from all training
subjects that have any of them, or a random subset of these, each phenotype by a model of its own on the subjects that
have it. A fit that cannot be had is written as skipped, with the reason, and the others go on.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.loading.labels import output_names
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import sha256
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.study.targets import is_regression
from cmr2ecg.training.fit.boosting import Problem, curve, fit_boosting, predict
from cmr2ecg.training.fit.choice import apply_choice, tuned_trials
from cmr2ecg.training.fit.runs import described as described_runs
from cmr2ecg.training.fit.runs import draws_of, planned_runs
from cmr2ecg.training.fit.seeds import SeedResult, SeedStore, prediction_rows
from cmr2ecg.training.fit.subjects import parse_fit, subset_files
from cmr2ecg.training.fit.tabular import Fold, Tables, problems_by_draw, read_folds
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


def about(target: str, fraction: int, folds: Mapping[str, Fold], selected: Path | None) -> dict[str, object]:
    """Return what result.json says of a fit whatever its settings: which it is, and whom it learnt from."""
    found: dict[str, object] = {
        "step": "train_tabular",
        "name": f"tabular/{target}/{fraction}",
        "encoder": "tabular",
        "target": target,
        "fraction": fraction,
        "tuned_trials": tuned_trials(selected),
        **{f"n_{split}": len(fold.eids) for split, fold in folds.items()},
    }
    train = folds["train"].values
    known = not is_regression(target) and len(train)
    return found | ({"trained_prevalence": float(train.mean())} if known else {})


def fit_target(
    tables: Tables, target: str, fraction: int, given: Mapping, output: Path, selected: Path | None, threads: int
) -> None:
    """Fit every seed of one target on one training subset and write the folder, or why it cannot be had.

    Args:
        tables: whom it is trained and tested on.
        target, fraction: of the fit.
        given: settings of the step.
        output: the fit's folder.
        selected: choice of a sweep, whose settings replace those of the config.
        threads: of XGBoost.
    """
    started = time.monotonic()
    settings = apply_choice(given["method"], selected, "tabular", target)
    runs = planned_runs(settings["seeds"], given, fraction)
    store = SeedStore(output)
    held_out = ("val", "test")
    by_draw = {draw: read_folds(tables, target, held_out, fraction=fraction, draw=draw) for draw in draws_of(runs)}
    files = [*tables.paths(), *([selected] if selected else [])]
    machine = {"device": "cpu", "precision": "fp32", "threads": threads}
    described = {**about(target, fraction, by_draw[0], selected), "settings": settings, "runs": described_runs(runs)}
    described |= {"seeds": [run.seed for run in runs]}
    try:
        problems, skipped = problems_by_draw(by_draw, target, threads=threads)
    except InputError as error:
        described["provenance"] = provenance(MODULE, files, started, **machine)
        store.write_skipped(described, " ".join(str(error).split()))
        log.warning("train_tabular %s: skipped: %s", described["name"], error)
        return

    draw_of = {run.seed: run.draw for run in runs}

    def fit(seed: int) -> SeedResult:
        draw = draw_of[seed]
        return fit_seed(by_draw[draw], problems[draw], settings, target, seed=seed)

    method = {key: value for key, value in settings.items() if key != "seeds"}
    depends_on = [method, threads, fingerprint(MODULE), [sha256(path) for path in tables.paths()]]
    cache_keys = {run.seed: digest([depends_on, run.draw]) for run in runs}
    results = store.run(cache_keys, fit, label=f"train_tabular {described['name']}")
    described |= {"outputs": list(problems[0]), "skipped_outputs": skipped}
    described["provenance"] = provenance(MODULE, files, started, **machine)
    store.write_outcome(results, described)


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--covariates", type=Path, required=True, help="covariates.parquet")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--subsets", type=Path, required=True, help="folder of TARGET_FRACTION.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet")
    parser.add_argument("--phenotypes", type=Path, required=True, help="phenotypes.parquet")
    parser.add_argument("--selected", type=Path, nargs="*", default=[], help="choices of sweeps, tabular_TARGET.json")
    parser.add_argument("--fits", type=parse_fit, nargs="+", required=True, help="TARGET/FRACTION each")
    parser.add_argument("--output", type=Path, required=True, help="folder of all; fits go to TARGET/FRACTION")
    args = parser.parse_args(argv)
    start(args)
    selected = {path.stem.removeprefix("tabular_"): path for path in args.selected}
    for target, fraction in args.fits:
        subset = next(iter(subset_files(args.subsets, [(target, fraction)])), None)
        values = args.phenotypes if is_regression(target) else args.labels
        tables = Tables(args.covariates, args.split, values, subset)
        folder = args.output / target / str(fraction)
        fit_target(tables, target, fraction, args.settings, folder, selected.get(target), args.threads)


if __name__ == "__main__":
    run(main)
