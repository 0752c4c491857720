"""Files of a finished study, small and made up, for the tests of tables, figures and tracking."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.study.targets import is_regression
from cmr2ecg.tables.phenotypes import phenotype_names

SEEDS = (0, 101, 202)
FIRST_EID = 9_000_101
DISEASES = ("cad", "af", "dm", "hf")  # the last is none of the paper's


def write_study(
    root: Path,
    encoders: Sequence[str] = ("supervised", "mmcl", "tabular"),
    targets: Sequence[str] = ("cad", "af", "dm"),
    fractions: Sequence[int] = (100, 10),
    subjects: int = 40,
    epochs: int = 3,
) -> list[Path]:
    """Write predictions.parquet, result.json and metrics.jsonl for every model; return the predictions' paths.

    Encoders named probe/NAME are linear probes. A phenotype group as target gives one output a phenotype.
    """
    paths = []
    for target in targets:
        rng = np.random.default_rng(len(target))
        labels = (np.arange(2 * subjects) % 5 == 0).astype(float)
        for encoder in encoders:
            for fraction in fractions:
                stage = ("finetune", encoder)
                if encoder == "tabular" or encoder.startswith("probe/"):
                    stage = ("train_tabular",) if encoder == "tabular" else tuple(encoder.split("/"))
                folder = root.joinpath(*stage, target, str(fraction))
                folder.mkdir(parents=True)
                made = phenotypes(labels, target, rng) if is_regression(target) else predictions(labels, target, rng)
                made.to_parquet(folder / "predictions.parquet", index=False)
                (folder / "result.json").write_text(json.dumps(result(encoder, target, fraction)))
                (folder / "metrics.jsonl").write_text(curves(epochs))
                paths.append(folder / "predictions.parquet")
    return paths


def predictions(labels: np.ndarray, target: str, rng: np.random.Generator) -> pd.DataFrame:
    n = len(labels)
    return pd.concat(
        pd.DataFrame(
            {
                "seed": seed,
                "eid": FIRST_EID + np.arange(n),
                "split": np.repeat(["val", "test"], n // 2),
                "output": target,
                "y_true": labels,
                "y_score": 1 / (1 + np.exp(-labels - rng.normal(size=n))),
            }
        )
        for seed in SEEDS
    )


def phenotypes(labels: np.ndarray, target: str, rng: np.random.Generator) -> pd.DataFrame:
    """One output a phenotype, every third value missing."""
    parts = []
    for seed, output in enumerate(phenotype_names(target)):
        truth = 100 + 10 * np.random.default_rng(seed).normal(size=len(labels))  # the same for every encoder
        part = predictions(labels, output, rng)
        part["y_score"] = np.tile(truth, len(SEEDS)) + 10 * rng.normal(size=len(part))
        part["y_true"] = np.tile(np.where(np.arange(len(labels)) % 3 == 0, np.nan, truth), len(SEEDS))
        parts.append(part)
    return pd.concat(parts)


def write_sides(root: Path, subjects: int = 40) -> dict[str, Path]:
    """Write split, labels, covariates and dates of the study's subjects and as many more for training."""
    root.mkdir(exist_ok=True)
    n = 3 * subjects
    rng = np.random.default_rng(0)
    eid = FIRST_EID + np.arange(n)
    paths = {name: root / f"{name}.parquet" for name in ("labels", "covariates", "dates", "visits")} | {
        "split": root / "split.csv"
    }
    pd.DataFrame({"eid": eid, "split": np.repeat(["val", "test", "train"], subjects)}).to_csv(
        paths["split"], index=False
    )
    disease = (np.arange(n) % 5 == 0).astype(int)
    pd.DataFrame({"eid": eid} | dict.fromkeys(DISEASES, disease)).to_parquet(paths["labels"])
    body = {
        "sex": np.arange(n) % 2 * 1.0,
        "age": rng.uniform(45, 80, n),
        "weight": rng.normal(80, 9, n),
        "height": 170.0,
    }
    pd.DataFrame({"eid": eid, **body}).to_parquet(paths["covariates"])
    visit = pd.Timestamp("2016-05-04")
    first = [visit + pd.Timedelta(days=int(days)) for days in rng.integers(-900, 900, n)]
    dates = pd.DataFrame({"eid": eid, "visit_date": visit} | {f"{name}_date": first for name in DISEASES})
    dates.loc[disease == 0, [f"{name}_date" for name in DISEASES]] = pd.NaT
    dates.to_parquet(paths["dates"])
    pd.DataFrame({"eid": eid, "subject": eid}).to_parquet(paths["visits"])
    return paths


def curves(epochs: int) -> str:
    lines = [
        {"epoch": epoch, "seed": seed, "train_loss": 1 / (epoch + 1), "val_auroc": 0.5 + seed / 1000}
        for epoch in range(epochs)
        for seed in SEEDS
    ]
    return "".join(json.dumps(line | {"learning_rate": 1e-4}) + "\n" for line in lines)


def result(encoder: str, target: str, fraction: int) -> dict:
    return {
        "step": {"tabular": "train_tabular"}.get(encoder, "probe" if encoder.startswith("probe/") else "finetune"),
        "name": f"{encoder}/{target}/{fraction}",
        "encoder": encoder.removeprefix("probe/"),
        "target": target,
        "fraction": fraction,
        "settings": {"epochs": 3, "betas": [0.9, 0.999], "augment": {"noise": 0.2}, "method": method_of(encoder)},
        "seeds": list(SEEDS),
        "n_train": 2 * fraction,
        "validation": {"auroc": [0.7, 0.72, 0.74]},
        "best_epoch": [1, 2, 1],
        "parameters": 53610,
        "provenance": provenance(),
    }


def method_of(encoder: str) -> dict:
    """Return the settings that make the risks of one kind of model differ."""
    return {} if encoder == "tabular" or encoder.startswith("probe/") else {"label_smoothing": 0.1}


def provenance() -> dict:
    return {
        "commit": "0123abcd",
        "code": "f" * 64,
        "fingerprint": "e" * 64,
        "inputs": {"results/demo/split_subjects/split.csv": "a" * 64},
        "packages": {"torch": "2.14.1"},
        "wall_seconds": 12.5,
        "peak_memory_mb": 800,
        "device": "cpu",
        "precision": "bf16",
        "threads": 1,
    }
