"""Linear probes: logistic or ridge regression on standardised embeddings of a frozen encoder (a control).

Nothing here draws a random number; the penalty is chosen on validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from cmr2ecg.loading.paired_data import PairedData, in_turn
from cmr2ecg.training.device import autocast
from cmr2ecg.training.epoch import to_device
from cmr2ecg.training.fit.targets import Task, score

EMBEDDING_BATCH = 256
MAX_ITERATIONS = 2000


def embed(encoder: nn.Module, data: PairedData, field: str, device: torch.device, precision: str) -> np.ndarray:
    """Return the embeddings (n, features) float64 of all subjects of `data`, in one pass.

    field: "ecg", of which the first samples are read, or "cmr".
    """
    encoder.eval()
    parts = []
    with torch.inference_mode():
        for batch in data.batches(in_turn(len(data), EMBEDDING_BATCH)):
            inputs = to_device(batch, device)[field].float()
            if field == "ecg":
                inputs = inputs[..., : encoder.samples]
            with autocast(device, precision):
                parts.append(encoder(inputs).float().cpu())
    return torch.cat(parts).double().numpy()


@dataclass(frozen=True)
class Embedded:
    """Embeddings (n, features) of a fold and what its subjects have (n, outputs), NaN where absent."""

    features: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Probe:
    """A fitted probe: predictions of each fold given, the penalty chosen, the validation metric of every penalty."""

    predictions: dict[str, np.ndarray]
    penalty: float
    scores: list[float]

    @property
    def best_score(self) -> float:
        """Return the validation metric of the chosen penalty."""
        return max(self.scores)


def standardised(folds: dict[str, Embedded]) -> dict[str, Embedded]:
    """Scale each feature by the training fold's mean and standard deviation; features constant there become 0."""
    train = folds["train"].features
    mean, std = train.mean(axis=0), train.std(axis=0)
    constant = std <= 1e-6 * np.abs(train).max(initial=0)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, std))
    return {name: Embedded((fold.features - mean) * scale, fold.values) for name, fold in folds.items()}


def fit_probe(task: Task, folds: dict[str, Embedded], penalties: Sequence[float]) -> Probe:
    """Fit the folds' "train" with each penalty and keep the one that is best on "val".

    Args:
        task: the target.
        folds: "train", "val" and others to predict.
        penalties: weights of the squared coefficients beside the mean loss of a subject.
    """
    folds = standardised(folds)
    found = []
    for penalty in penalties:
        predictions = predict(task, folds, penalty)
        found.append((score(task, folds["val"].values, predictions["val"]), predictions))
    best = max(range(len(penalties)), key=lambda index: found[index][0])
    return Probe(found[best][1], penalties[best], [value for value, _ in found])


def predict(task: Task, folds: dict[str, Embedded], penalty: float) -> dict[str, np.ndarray]:
    """Return (n, outputs) predictions of every fold but "train": probabilities, or phenotypes in their units."""
    train = folds["train"]
    others = {name: fold.features for name, fold in folds.items() if name != "train"}
    if not task.is_regression:
        # scikit-learn minimises |w|^2 / 2 + C x the sum of the losses.
        model = LogisticRegression(C=1 / (penalty * len(train.values)), max_iter=MAX_ITERATIONS, tol=1e-6)
        model.fit(train.features, train.values[:, 0].astype(int))
        return {name: model.predict_proba(features)[:, 1:] for name, features in others.items()}
    results = {name: np.empty((len(features), len(task.outputs))) for name, features in others.items()}
    for columns in same_subjects(train.values):
        there = np.isfinite(train.values[:, columns[0]])
        values = train.values[np.ix_(there, columns)]
        mean, std = values.mean(axis=0), values.std(axis=0)
        model = Ridge(alpha=penalty * there.sum(), solver="cholesky").fit(train.features[there], (values - mean) / std)
        for name, features in others.items():
            z = model.predict(features).reshape(len(features), len(columns))
            results[name][:, columns] = z * std + mean
    return results


def same_subjects(values: np.ndarray) -> list[list[int]]:
    """Group the columns of values (n, k) that are there for the same rows, so that one factorisation serves them."""
    groups: dict[bytes, list[int]] = {}
    for column, there in enumerate(np.isfinite(values).T):
        groups.setdefault(there.tobytes(), []).append(column)
    return list(groups.values())
