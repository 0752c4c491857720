"""Simulated predictions of every model, target and seed of the paper, for the cost of scoring a whole study."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.made_up import FIRST
from bench.scale_cohort import PREVALENCE
from cmr2ecg.report.tables.names import MODELS
from cmr2ecg.study.claims import DISEASES
from cmr2ecg.study.encoders import DRAWN
from cmr2ecg.study.targets import PHENOTYPE_GROUPS, is_regression
from cmr2ecg.tables.phenotypes import phenotype_names

SEEDS = (0, 101, 202, 303, 404)
FRACTIONS = (100, 10, 1)
HELD_OUT = 0.15  # share of subjects in val, and in test


def fits() -> Iterator[tuple[str, Path]]:
    """Yield target and folder of every fit, below the results."""
    for target in (*DISEASES, *PHENOTYPE_GROUPS):
        for encoder in (name for name in MODELS if name not in DRAWN):
            for fraction in FRACTIONS if target in DISEASES else FRACTIONS[:1]:
                stage = "train_tabular" if encoder == "tabular" else f"finetune/{encoder}"
                yield target, Path(stage, target, str(fraction))


def study_arguments(root: Path) -> list:
    """Return the files of evaluate."""
    folders = [root / folder for _, folder in fits()]
    words = ["--predictions", *(folder / "predictions.parquet" for folder in folders)]
    words += ["--results", *(folder / "result.json" for folder in folders), "--split", root / "split.csv"]
    return words + [
        word for name in ("labels", "covariates", "dates", "visits") for word in (f"--{name}", root / f"{name}.parquet")
    ]


def write_study(root: Path, subjects: int) -> None:
    """Write predictions.parquet and result.json of every fit, split, labels, covariates and dates."""
    held_out, rng = round(HELD_OUT * subjects), np.random.default_rng(0)
    truths: dict[str, dict[str, np.ndarray]] = {}
    for target, folder in fits():
        outputs = phenotype_names(target) if is_regression(target) else [target]
        if target not in truths:
            truths[target] = {output: truth_of(target, 2 * held_out, rng) for output in outputs}
        (root / folder).mkdir(parents=True)
        predictions(truths[target], rng).to_parquet(root / folder / "predictions.parquet", index=False)
        (root / folder / "result.json").write_text(json.dumps({"n_train": 2 * subjects // 100}))
    write_sides(root, subjects, held_out)


def truth_of(target: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if target in DISEASES:
        return (rng.random(n) < PREVALENCE[target]).astype(float)
    return np.where(rng.random(n) < 0.5, np.nan, rng.normal(100, 20, n))  # §IV-B: half of the subjects have none


def predictions(truth: dict[str, np.ndarray], rng: np.random.Generator) -> pd.DataFrame:
    """Return the predictions of all seeds, which know a fifth of the variance; half of the subjects are val."""
    n, blocks = len(next(iter(truth.values()))), len(truth) * len(SEEDS)
    known = np.concatenate([np.tile(values, len(SEEDS)) for values in truth.values()])
    signal = np.nan_to_num((known - np.nanmean(known)) / np.nanstd(known)) + rng.normal(0, 2, known.size)
    halves = np.tile(np.repeat([0, 1], n // 2), blocks)
    columns = {
        "seed": np.tile(np.repeat(SEEDS, n), len(truth)),
        "eid": np.tile(FIRST + np.arange(n), blocks),
        "split": pd.Categorical.from_codes(halves, ["val", "test"]),
        "output": pd.Categorical.from_codes(np.repeat(np.arange(len(truth)), n * len(SEEDS)), list(truth)),
        "y_true": known,
        "y_score": 1 / (1 + np.exp(-signal)),
    }
    return pd.DataFrame(columns)


def write_sides(root: Path, n: int, held_out: int) -> None:
    """Write split, labels, covariates, dates and visits."""
    rng, eids = np.random.default_rng(1), pd.DataFrame({"eid": FIRST + np.arange(n)})
    split = np.repeat(["val", "test", "train"], [held_out, held_out, n - 2 * held_out])
    eids.assign(split=split).to_csv(root / "split.csv", index=False)
    labels = {name: (rng.random(n) < share).astype(int) for name, share in PREVALENCE.items()}
    eids.assign(**labels).to_parquet(root / "labels.parquet")
    body = {"sex": rng.integers(0, 2, n) * 1.0, "age": rng.uniform(45, 82, n), "weight": rng.normal(76, 14, n)}
    eids.assign(**body, height=rng.normal(170, 9, n)).to_parquet(root / "covariates.parquet")
    visit = np.datetime64("2016-05-04")
    dates = {f"{name}_date": visit + rng.integers(-3000, 2000, n) for name in PREVALENCE}
    eids.assign(visit_date=visit, **dates).to_parquet(root / "dates.parquet")
    eids.assign(subject=eids["eid"]).to_parquet(root / "visits.parquet")
