"""Which models were not trained, told from their training and the validation split; the test split is not looked at.

A baseline that took too few steps, or steps that were too small, loses to any other model and says nothing about what
it stands for. Marked is a model

- that took fewer optimiser steps than `minimum_steps`;
- whose best epoch was the last that was allowed, and well above those before its last tenth: it was still improving;
- whose validation score is not above chance, by a one-sided interval over the validation subjects;
- whose validation score is below that of a linear probe of a random encoder of its kind, on the same subjects;
- whose predictions hardly differ between subjects (`LEAST_SPREAD`).

The first, second and fourth are asked of fine-tuned networks only. What is counted by run (steps, epochs, spread) holds
if it does in at least half of the runs; scores are means over them, as in the tables. What an older result.json does
not say is not asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm

from cmr2ecg.evaluate.statistics.delong import mean_shares
from cmr2ecg.evaluate.statistics.scores import MODEL_COLUMNS, Scored

UNTRAINED_COLUMNS = [*MODEL_COLUMNS, "reason"]
CHANCE = {"auroc": 0.5, "r": 0.0}
NAMES = {"auroc": "ROC AUC", "r": "r"}
SIGMAS = float(norm.ppf(0.95))  # of a one-sided 95 % limit
LEAST_SPREAD = 0.01  # of log odds over subjects; of phenotypes in standard deviations of the measured ones
LATE_GAIN = 0.01  # of the metric: a cosine schedule often ends with its best epoch, ahead by less
BY_RUN = ("steps", "epochs", "best_epoch", "epoch_limit", "late_gain")
TINY = 1e-12  # keeps the log odds of certain predictions finite
Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Training:
    """What result.json says of a model's runs; empty or None where the file is older than the entry.

    steps, epochs, best_epoch, epoch_limit, late_gain: one entry a run. best_epoch counts from 0, epoch_limit is the
        last possible number of epochs, late_gain how much their last tenth brought of the validation score.
    tuned_trials: 0 for the settings of the config, n for the best of n trials on validation.
    """

    n_train: int
    steps: Sequence[int] = ()
    epochs: Sequence[int] = ()
    best_epoch: Sequence[int] = ()
    epoch_limit: Sequence[int] = ()
    late_gain: Sequence[float] = ()
    tuned_trials: int | None = None

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Training":
        """Return what the content of a result.json says."""
        runs = {name: tuple(result.get(name, ())) for name in BY_RUN}
        return cls(int(result["n_train"]), **runs, tuned_trials=result.get("tuned_trials"))


def untrained_table(models: Sequence[Scored], trainings: Mapping[Key, Training], minimum_steps: int) -> pd.DataFrame:
    """Return UNTRAINED_COLUMNS: a row a model that was not trained, its reasons joined by "; ".

    models: on the validation split. trainings: by (fit, encoder, target, fraction).
    """
    known = {model.first.model: model for model in models}
    rows = []
    for key, model in known.items():
        probe = known.get(random_probe(key))
        reasons = [*training_reasons(key, trainings[key], minimum_steps), *score_reasons(model, probe)]
        if reasons:
            rows.append((*key, "; ".join(reasons)))
    return pd.DataFrame(rows, columns=UNTRAINED_COLUMNS)


def random_probe(key: Key) -> Key | None:
    """Return the probe that a fine-tuned network must not be below, None for any other model."""
    fit, encoder, target, fraction = key
    name = "cmr_random" if encoder.startswith("cmr_") else "random"
    return ("probe", name, target, fraction) if fit == "finetune" else None


def training_reasons(key: Key, training: Training, minimum_steps: int) -> Iterator[str]:
    """Yield what is wrong with how long a network was fine-tuned.

    All steps count, not those up to the best epoch: where many more steps brought nothing better, the early best is the
    result of a whole training.
    """
    if key[0] != "finetune":
        return
    few = [steps for steps in training.steps if steps < minimum_steps]
    if few and len(few) >= len(training.steps) / 2:
        yield f"{max(few)} optimiser steps where {minimum_steps} are the least"
    if training.late_gain:
        runs = zip(training.epochs, training.best_epoch, training.epoch_limit, training.late_gain, strict=True)
        last = [epochs == limit == best + 1 and gain > LATE_GAIN for epochs, best, limit, gain in runs]
        if sum(last) >= len(last) / 2:
            yield f"still improving: the last epoch was the best in {sum(last)} of {len(last)} runs"


def score_reasons(model: Scored, probe: Scored | None = None) -> Iterator[str]:
    """Yield what is wrong with validation predictions; probe: of a random encoder, where one must be reached."""
    score, error = score_and_error(model)
    name, chance = NAMES[model.metric], CHANCE[model.metric]
    if score - SIGMAS * error <= chance:
        yield f"validation {name} {score:.3f} is not above chance"
    if probe is not None and score < (floor := score_and_error(probe)[0]):
        yield f"validation {name} {score:.3f} is below a random encoder's probe ({floor:.3f})"
    if (spreads(model) < LEAST_SPREAD).mean() >= 0.5:
        yield "nearly the same prediction for everybody"


def score_and_error(model: Scored) -> tuple[float, float]:
    """Return the metric, mean over runs and outputs, and its standard error over subjects.

    The error comes from each subject's share in the mean (its influence), so that runs and phenotypes of the same
    subjects do not count as more subjects. NaN for an AUROC of fewer than two subjects of a class. Predictions that are
    constant have the score of chance.
    """
    if model.metric == "auroc":
        shares = mean_shares(model.first.y_true == 1, model.first.scores)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = sum(share.var(ddof=1) / share.size if share.size > 1 else np.nan for share in shares)
        return float(shares[0].mean()), float(np.sqrt(variance))
    parts = [correlation_shares(entry.y_true, entry.scores) for entry in model.outputs]
    shares = np.mean([share for _, share in parts], axis=0)
    return float(np.mean([r for r, _ in parts])), float(np.sqrt((shares**2).sum()))


def correlation_shares(y_true: NDArray, scores: NDArray) -> tuple[float, NDArray[np.float64]]:
    """Return Pearson's r, mean over runs, and each subject's share (n,) in its error; 0 where y_true is NaN.

    The influence of a subject with z-scores x and y on r is x y - r (x² + y²) / 2; here it is divided by the number of
    subjects that have a value, so that the root of the summed squares is the standard error. scores: (runs, n).

    Reference: Devlin, Gnanadesikan and Kettenring, Biometrika 62 (1975) 531-545.
    """
    there = ~np.isnan(y_true)
    x, y = z_scores(y_true[there]), z_scores(scores[:, there])
    r = (x * y).mean(axis=1)
    shares = np.zeros(len(y_true))
    shares[there] = (x * y - r[:, None] * (x**2 + y**2) / 2).mean(axis=0) / there.sum()
    return float(r.mean()), shares


def z_scores(values: NDArray) -> NDArray[np.float64]:
    """Return values (..., n) with mean 0 and standard deviation 1 along the last axis; a constant becomes 0."""
    centred = values - values.mean(axis=-1, keepdims=True)
    std = centred.std(axis=-1, keepdims=True)
    constant = std <= TINY * np.abs(values).max(axis=-1, keepdims=True, initial=TINY)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, std))


def spreads(model: Scored) -> NDArray[np.float64]:
    """Return how far predictions differ between subjects, (outputs, runs).

    Standard deviation of the log odds; of phenotypes that of the predictions in standard deviations of the truth.
    """
    if model.metric == "auroc":
        return logit(np.clip(model.first.scores, TINY, 1 - TINY)).std(axis=1)[None]
    known = [(entry, ~np.isnan(entry.y_true)) for entry in model.outputs]
    return np.array([entry.scores[:, there].std(axis=1) / entry.y_true[there].std() for entry, there in known])
