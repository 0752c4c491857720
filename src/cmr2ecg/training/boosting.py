"""The tabular baseline: gradient-boosted trees on age, sex, weight and height (paper §IV-D.1)."""

import numpy as np
import pandas as pd
from xgboost import XGBClassifier

from cmr2ecg.evaluate.auroc import auroc


def fit_boosting(
    train: pd.DataFrame,
    labels: np.ndarray,
    val: pd.DataFrame,
    val_labels: np.ndarray,
    settings: dict,
    *,
    seed: int,
    threads: int,
) -> tuple[XGBClassifier, list[dict], float]:
    """Fit boosted trees on covariates and report validation metrics after every round.

    Args:
        train, val: covariates, one row a subject; NaN is a value to XGBoost.
        labels, val_labels: (n,) 0 or 1.
        settings: rounds, max_depth, learning_rate, subsample.
        seed: of the row subsampling.
        threads: cores.

    Returns:
        the model, {"seed", "epoch", "val_loss", "val_auroc"} per round, and the last round's validation AUROC.
    """
    model = XGBClassifier(
        n_estimators=settings["rounds"],
        max_depth=settings["max_depth"],
        learning_rate=settings["learning_rate"],
        subsample=settings["subsample"],
        random_state=seed,
        n_jobs=threads,
    )
    model.fit(train, labels)
    history = []
    for rounds in range(1, settings["rounds"] + 1):
        scores = model.predict_proba(val, iteration_range=(0, rounds))[:, 1]
        history.append(
            {
                "seed": seed,
                "epoch": rounds - 1,
                "val_loss": cross_entropy(val_labels, scores),
                "val_auroc": auroc(val_labels, scores),
            }
        )
    return model, history, history[-1]["val_auroc"]


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-likelihood of binary labels (n,) under probabilities (n,)."""
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.log(likelihood.clip(1e-12)).mean())
