"""Train the tabular baseline for one disease on one balanced subset, once per seed (paper §IV-D.1, table I)."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.command import run, start
from cmr2ecg.data.labels import labels_of, require_both_classes, rows_for, split_eids
from cmr2ecg.files import sha256
from cmr2ecg.imports import code_digest
from cmr2ecg.training.boosting import fit_boosting
from cmr2ecg.training.result import digest, provenance
from cmr2ecg.training.seeds import SeedResult, fit_parser, prediction_rows, run_seeds, write_outcome

MODULE = "cmr2ecg.steps.train_tabular"


def fit_seed(folds: dict[str, tuple], settings: dict, target: str, *, seed: int, threads: int) -> SeedResult:
    """Fit one seed on folds["train"] and predict val and test; a fold is (eids, covariates, labels)."""
    (_, train, labels), (_, val, val_labels) = folds["train"], folds["val"]
    model, history, auroc = fit_boosting(train, labels, val, val_labels, settings, seed=seed, threads=threads)
    rows = []
    for name in ("val", "test"):
        eids, covariates, y_true = folds[name]
        rows.append(prediction_rows(seed, eids, name, target, y_true, model.predict_proba(covariates)[:, 1]))
    summary = {"val_auroc": auroc, "best_epoch": settings["rounds"] - 1, "parameters": settings["rounds"]}
    return pd.concat(rows), history, summary


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = fit_parser(__doc__)
    parser.add_argument("--covariates", type=Path, required=True, help="covariates.parquet")
    args = parser.parse_args(argv)
    start(args)
    eids = {name: split_eids(args.split, name) for name in ("val", "test")}
    eids["train"] = pd.read_csv(args.subset)["eid"].to_numpy(np.int64)
    folds = {
        name: (chosen, rows_for(args.covariates, chosen), labels_of(args.labels, args.target, chosen))
        for name, chosen in eids.items()
    }
    require_both_classes(folds["val"][2], f"{args.target}, val split")

    def fit(seed: int) -> SeedResult:
        return fit_seed(folds, args.settings, args.target, seed=seed, threads=args.threads)

    inputs = [args.covariates, args.split, args.subset, args.labels]
    owner = digest([args.settings, code_digest(MODULE), [sha256(path) for path in inputs]])
    name = f"tabular/{args.target}/{args.fraction}"
    results = run_seeds(args.settings["seeds"], fit, directory=args.output, owner=owner, label=f"train_tabular {name}")
    machine = {"device": "cpu", "precision": "fp32", "threads": args.threads}
    described = {
        "step": "train_tabular",
        "name": name,
        "encoder": "tabular",
        "target": args.target,
        "fraction": args.fraction,
        "settings": args.settings,
        "seeds": args.settings["seeds"],
        "n_train": len(eids["train"]),
        "n_val": len(eids["val"]),
        "n_test": len(eids["test"]),
        "provenance": provenance(MODULE, inputs, started, **machine),
    }
    write_outcome(args.output, results, described)


if __name__ == "__main__":
    run(main)
