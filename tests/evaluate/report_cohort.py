"""Files of a finished study, small and made up, for the tests of tables, figures and tracking."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

SEEDS = (0, 101, 202)
FIRST_EID = 9_000_101


def write_study(
    root: Path,
    encoders: Sequence[str] = ("supervised", "mmcl", "tabular"),
    targets: Sequence[str] = ("cad", "af", "dm"),
    fractions: Sequence[int] = (100, 10),
    subjects: int = 40,
    epochs: int = 3,
) -> list[Path]:
    """Write predictions.parquet, result.json and metrics.jsonl for every model; return the predictions' paths."""
    paths = []
    for target in targets:
        rng = np.random.default_rng(len(target))
        labels = (np.arange(2 * subjects) % 5 == 0).astype(float)
        for encoder in encoders:
            for fraction in fractions:
                stage = ("train_tabular",) if encoder == "tabular" else ("finetune", encoder)
                folder = root.joinpath(*stage, target, str(fraction))
                folder.mkdir(parents=True)
                predictions(labels, target, rng).to_parquet(folder / "predictions.parquet", index=False)
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


def curves(epochs: int) -> str:
    lines = [
        {"epoch": epoch, "seed": seed, "train_loss": 1 / (epoch + 1), "val_auroc": 0.5 + seed / 1000}
        for epoch in range(epochs)
        for seed in SEEDS
    ]
    return "".join(json.dumps(line | {"learning_rate": 1e-4}) + "\n" for line in lines)


def result(encoder: str, target: str, fraction: int) -> dict:
    return {
        "step": "train_tabular" if encoder == "tabular" else "finetune",
        "name": f"{encoder}/{target}/{fraction}",
        "encoder": encoder,
        "target": target,
        "fraction": fraction,
        "settings": {"epochs": 3, "betas": [0.9, 0.999], "augment": {"noise": 0.2}},
        "seeds": list(SEEDS),
        "n_train": 2 * fraction,
        "validation": {"auroc": [0.7, 0.72, 0.74]},
        "best_epoch": [1, 2, 1],
        "parameters": 53610,
        "provenance": provenance(),
    }


def provenance() -> dict:
    return {
        "commit": "0123abcd",
        "code": "f" * 64,
        "inputs": {"results/demo/split_subjects/split.csv": "a" * 64},
        "packages": {"torch": "2.14.1"},
        "wall_seconds": 12.5,
        "peak_memory_mb": 800,
        "device": "cpu",
        "precision": "bf16",
        "threads": 1,
    }
