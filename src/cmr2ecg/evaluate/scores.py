"""From predictions to numbers: one metric a model and seed, and its mean, std and interval over seeds (§IV-D.2)."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.evaluate.auroc import auroc
from cmr2ecg.evaluate.bootstrap import bootstrap_interval
from cmr2ecg.evaluate.predictions import Predictions

METRIC = "auroc"
METRIC_COLUMNS = ["encoder", "target", "fraction", "seed", "split", "metric", "value", "n", "n_positive"]


def seed_metrics(predictions: Iterable[Predictions]) -> pd.DataFrame:
    """Return METRIC_COLUMNS, one row a model, split and seed; value in 0..1, NaN where only one class is there."""
    rows = [
        {
            **_model(entry),
            "seed": int(seed),
            "split": entry.split,
            "metric": METRIC,
            "value": auroc(entry.y_true, score),
            **_counts(entry),
        }
        for entry in predictions
        for seed, score in zip(entry.seeds, entry.scores, strict=True)
    ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def interval_table(
    predictions: Iterable[Predictions], n_train: Mapping[tuple[str, str, int], int], draws: int, seed: int
) -> pd.DataFrame:
    """Return one row a model: mean, std and 95 % bootstrap interval (low, high) of the test AUROC, in 0..1.

    std is the sample standard deviation over seeds (ddof=1), NaN for one seed. n_train maps (encoder, target,
    fraction) to the number of subjects the model was fine-tuned on; a model absent from it gets none.
    """
    rows = []
    for entry in predictions:
        if entry.split != "test":
            continue
        values = np.array([auroc(entry.y_true, score) for score in entry.scores])
        low, high = bootstrap_interval(entry.y_true, entry.scores, draws, seed)
        rows.append(
            {
                **_model(entry),
                "split": entry.split,
                "metric": METRIC,
                "mean": values.mean(),
                "std": values.std(ddof=1) if len(values) > 1 else float("nan"),
                "low": low,
                "high": high,
                "n_seeds": len(values),
                **_counts(entry),
                "n_train": n_train.get((entry.encoder, entry.target, entry.fraction)),
            }
        )
    return pd.DataFrame(rows).astype({"n_train": "Int64"})


def _model(entry: Predictions) -> dict[str, Any]:
    return {"encoder": entry.encoder, "target": entry.target, "fraction": entry.fraction}


def _counts(entry: Predictions) -> dict[str, int]:
    return {"n": len(entry.y_true), "n_positive": int((entry.y_true == 1).sum())}
