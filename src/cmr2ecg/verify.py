"""Recompute a finished study's tables from its predictions and compare.

    python -m cmr2ecg.verify --provenance results/demo/trace_numbers/provenance.json

Three checks: every file still has the SHA-256 that provenance.json names; scoring and tables, run again from the
predictions, give the same bytes, as does the list of untrained models; and the means and spreads of tables I to V and
every phenotype's r agree with those of scikit-learn and SciPy, computed here without this project's own metrics.
"""

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from cmr2ecg.report.tables.sheet import WHOLE
from cmr2ecg.report.tables.supplements import TABLE_IV
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.runtime.command import InputError, run
from cmr2ecg.runtime.files import sha256
from cmr2ecg.steps import evaluate, make_table
from cmr2ecg.steps.trace_numbers import SCORED

TOLERANCE = 1e-4  # tables keep two digits more than they print


def main(argv: Sequence[str] | None = None) -> None:
    """Run the checks; end with exit code 1 and a line for each thing that differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provenance", type=Path, required=True, help="provenance.json of the step trace_numbers")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    if not args.provenance.is_file():
        raise InputError(f"{args.provenance} does not exist; finish the run first")
    traced = json.loads(args.provenance.read_text())
    wrong = [*changed_files(traced), *changed_numbers(traced), *changed_tables(traced)]
    for line in wrong:
        logging.error(line)
    if wrong:
        raise InputError(f"{len(wrong)} differences between {args.provenance} and what lies beside it")
    counts = [len(traced[name]) for name in ("tables", "numbers", "models")]
    logging.info("verified: %d tables, %d rows, %d models", *counts)


def changed_files(traced: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every file that is gone or no longer the one the numbers came from."""
    named = {model["predictions"]: model["sha256"] for model in traced["models"].values()}
    named |= {entry["path"]: entry["sha256"] for entry in traced["evaluate"]["inputs"].values()}
    named |= {entry["path"]: entry["sha256"] for entry in map(traced.get, ("untrained", *SCORED)) if entry}
    for path, digest in (named | traced["tables"]).items():
        if not Path(path).is_file():
            yield f"{path} is gone"
        elif sha256(path) != digest:
            yield f"{path} has changed since"


def changed_tables(traced: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every table that scoring from the predictions does not give again."""
    models = traced["models"].values()
    inputs = traced["evaluate"]["inputs"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--settings", json.dumps(traced["evaluate"]["settings"]), "--output", folder]
        arguments += ["--predictions", *(model["predictions"] for model in models)]
        arguments += ["--results", *(model["result"] for model in models)]
        arguments += [word for name, entry in inputs.items() for word in (f"--{name}", entry["path"])]
        evaluate.main(arguments)
        marked = Path(traced["untrained"]["path"])
        if marked.read_bytes() != Path(folder, marked.name).read_bytes():
            yield f"{marked} is not what predictions and result.json give"
        for path in traced["tables"]:
            name = Path(path).stem.removeprefix("table_")
            outputs = [
                word for kind in ("csv", "md", "tex", "html") for word in (f"--{kind}", f"{folder}/again.{kind}")
            ]
            for shown in SCORED:
                if traced.get(shown):
                    outputs += [f"--{shown}", traced[shown]["path"]]
            make_table.main(["--table", name, "--evaluated", folder, "--cohort", traced["cohort"], *outputs])
            if Path(path).read_bytes() != Path(folder, "again.csv").read_bytes():
                yield f"{path} is not what the predictions give"


def changed_numbers(traced: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every mean or spread that scikit-learn or SciPy computes otherwise."""
    for entry in traced["numbers"]:
        for name, expected, found in _recomputed(entry, traced["models"]):
            both_missing = expected is None and np.isnan(found)
            if not both_missing and (expected is None or not np.isclose(expected, found, rtol=0, atol=TOLERANCE)):
                of = ", ".join(entry["models"])
                yield f"table {entry['table']}, {name} of {of}: {expected}, recomputed {found:.6f}"


def _recomputed(entry: dict[str, Any], models: dict[str, Any]) -> Iterator[tuple[str, float | None, float]]:
    """Yield (name, number in the table, number from the predictions) of the numbers this can recompute."""
    if entry["table"].isdigit():
        layout = LAYOUTS[int(entry["table"])]
        values = layout.scale * by_seed(models[entry["models"][0]]["predictions"])
        yield "mean", entry["numbers"].get("mean"), values.mean()
        if len(values) > 1:
            yield "std", entry["numbers"].get("std"), values.std(ddof=1)
    elif entry["table"] == "iv_per_phenotype":
        group, phenotype = entry["row"]["group"], entry["row"]["phenotype"]
        for encoder in TABLE_IV:
            model = models.get(f"finetune/{encoder}/{group}/{WHOLE}")
            if model and not model["skipped"]:
                yield phenotype, entry["numbers"].get(encoder), by_seed(model["predictions"], phenotype).mean()


def by_seed(path: str, output: str | None = None) -> np.ndarray:
    """Return the test metric (seeds,) by scikit-learn or SciPy: AUROC of a disease, else r (all outputs or one)."""
    table = pd.read_parquet(path)
    table = table[(table["split"] == "test") & table["y_true"].notna()]
    if output is not None:
        table = table[table["output"] == output]
    disease = table["y_true"].isin([0, 1]).all()
    measure = roc_auc_score if disease else (lambda y_true, y_score: pearsonr(y_true, y_score)[0])
    scores = table.groupby(["seed", "output"])[["y_true", "y_score"]].apply(
        lambda rows: _measured(measure, rows["y_true"].to_numpy(), rows["y_score"].to_numpy())
    )
    return scores.groupby("seed").agg(lambda by_output: by_output.mean(skipna=False)).to_numpy()


def _measured(measure: Any, y_true: np.ndarray, y_score: np.ndarray) -> float:
    constant = np.ptp(y_true) == 0 or (measure is not roc_auc_score and np.ptp(y_score) == 0)
    return float("nan") if constant else float(measure(y_true, y_score))


if __name__ == "__main__":
    run(lambda argv: main(argv))
