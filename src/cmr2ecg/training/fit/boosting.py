"""The tabular baseline: gradient-boosted trees on age, sex, weight and height, one model an output (paper §IV-D.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from xgboost import Booster, DMatrix, QuantileDMatrix, train

from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.correlation import pearson


@dataclass(frozen=True)
class Problem:
    """One output to learn: training subjects that have it, and the validation subjects, in XGBoost's own form.

    All trials and seeds of a sweep share it, so the covariates are sorted into bins once. `val_values` (n,) has NaN
    where absent. A NaN among the covariates is a value to XGBoost: each split learns which way it goes.
    """

    train: DMatrix
    val: DMatrix
    val_values: np.ndarray
    regression: bool
    threads: int

    @classmethod
    def of(
        cls,
        covariates: pd.DataFrame,
        values: np.ndarray,
        val: pd.DataFrame,
        val_values: np.ndarray,
        *,
        regression: bool,
        threads: int,
    ) -> "Problem":
        """Return the problem of one output. values (n,), val_values (m,): NaN leaves a subject out."""
        there = ~np.isnan(values)
        matrix = QuantileDMatrix(covariates[there], values[there], nthread=threads)
        return cls(matrix, DMatrix(val, nthread=threads), val_values, regression, threads)

    def predict_val(self, booster: Booster, rounds: tuple[int, int] = (0, 0)) -> np.ndarray:
        """Return the validation subjects' predictions (n,) of some rounds [first, last), by default of all."""
        return booster.predict(self.val, iteration_range=rounds).astype(float)


def fit_boosting(problem: Problem, settings: dict, *, seed: int) -> Booster:
    """Return settings["rounds"] boosted trees with settings' max_depth, learning_rate and subsample.

    The loss is the cross-entropy of a disease or the squared error of a phenotype. The same seed and number of threads
    give the same trees, and those of fewer rounds are the first of them: no tree depends on a later one.
    """
    parameters = {
        "objective": "reg:squarederror" if problem.regression else "binary:logistic",
        "max_depth": settings["max_depth"],
        "learning_rate": settings["learning_rate"],
        "subsample": settings["subsample"],
        "seed": seed,
        "nthread": problem.threads,
        "verbosity": 0,
    }
    return train(parameters, problem.train, settings["rounds"])


def predict(booster: Booster, covariates: pd.DataFrame, threads: int = 1) -> np.ndarray:
    """Return (n,) float64 probabilities, or values in the phenotype's unit."""
    return booster.predict(DMatrix(covariates, nthread=threads)).astype(float)


def predictions_by_round(booster: Booster, covariates: DMatrix) -> Iterator[np.ndarray]:
    """Yield the predictions (n,) after 1, 2, ... rounds, equal up to fp32 rounding to those of a model of so many.

    Every tree is looked at once: its predecessors' sum goes in as the margin it is added to. Predicting anew for each
    round would look at half the number of rounds times as many trees. `covariates` carries margins afterwards.
    """
    logistic = "binary:logistic" in booster.save_config()
    for done in range(booster.num_boosted_rounds()):
        margin = booster.predict(covariates, iteration_range=(done, done + 1), output_margin=True)
        covariates.set_base_margin(margin)
        yield (1 / (1 + np.exp(-margin)) if logistic else margin).astype(float)


def score(values: np.ndarray, predictions: np.ndarray, regression: bool) -> float:
    """Return r, 0 for constant predictions, or the AUROC of (n,) predictions."""
    return float(np.nan_to_num(pearson(values, predictions))) if regression else auroc(values, predictions)


def loss(values: np.ndarray, predictions: np.ndarray, regression: bool) -> float:
    """Return the squared error over the variance of values (n,), 1 for predicting their mean; or the cross-entropy."""
    if regression:
        there = ~np.isnan(values)
        return float(np.mean((values[there] - predictions[there]) ** 2) / np.var(values[there]))
    return cross_entropy(values, predictions)


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-likelihood of binary labels (n,) under probabilities (n,)."""
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.log(likelihood.clip(1e-12)).mean())


def curve(problem: Problem, val: pd.DataFrame, booster: Booster) -> tuple[list[float], list[float]]:
    """Return validation loss and score after every round; `val` holds the validation subjects' covariates."""
    losses, scores = [], []
    for predictions in predictions_by_round(booster, DMatrix(val, nthread=problem.threads)):
        losses.append(loss(problem.val_values, predictions, problem.regression))
        scores.append(score(problem.val_values, predictions, problem.regression))
    return losses, scores
