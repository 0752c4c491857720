"""Which models were not trained, told from their training and the validation split; the test split is not looked at.

A baseline that took too few steps, or steps that were too small, loses to any other model and says nothing about what
it is meant to show. Marked is a model

- that took fewer optimiser steps than `minimum_steps`;
- whose best epoch was the last that was allowed, and well above those before its last tenth: it was still improving;
- whose validation score is not above chance, by a one-sided interval over the validation subjects, while it did not
  learn its own training set either (`MIN_LEARNT`): one that did, and is at chance, had too few labels, not too few
  steps;
- whose validation score is below that of a linear probe of a random encoder of its kind, by a one-sided interval of the
  difference over the same subjects, while it did not learn its own training set either;
- whose predictions hardly differ between subjects (`MIN_STD`).

All but the last are asked of fine-tuned networks only: probes and trees are fitted to the end. What is counted by run
(steps, epochs, share learnt, std) holds if it does in at least half of the runs; scores are means over them, as in the
tables. What an older result.json does not say is not asked; without the share learnt, the score alone decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm

from cmr2ecg.metrics.predictions import Key
from cmr2ecg.metrics.prior import TRAINED_PREVALENCE, smoothing_of, trained_prevalence_of
from cmr2ecg.metrics.scores import MODEL_COLUMNS, Scored

UNTRAINED_COLUMNS = [*MODEL_COLUMNS, "reason"]
CHANCE = {"auroc": 0.5, "r": 0.0}
NAMES = {"auroc": "ROC AUC", "r": "r"}
SIGMAS = float(norm.ppf(0.95))  # of a one-sided 95 % limit
MIN_STD = 0.01  # of log odds over subjects; of phenotypes in standard deviations of the measured ones
MIN_LEARNT = 0.1  # of the training loss between chance and the lowest possible
LATE_GAIN = 0.01  # of the metric: a cosine schedule often ends with its best epoch, ahead by less
TINY = 1e-12  # keeps the log odds of certain predictions finite


@dataclass(frozen=True)
class Training:
    """What result.json says of a model's runs; empty or None where the file is older than the entry.

    blocks: seed -> number of the pre-training it started from.
    steps, epochs, best_epoch, epoch_limit, late_gain: one entry a run. best_epoch counts from 0, epoch_limit is the
        last possible number of epochs, late_gain how much their last tenth brought of the validation score.
    learnt: one entry a run: how far the training loss fell from chance (0) to the lowest possible (1).
    tuned_trials: 0 for the settings of the config, n for the best of n trials on validation.
    label_smoothing: 0 for probes and trees.
    trained_prevalence: share of a disease in the training subjects; one half in balanced sets.
    """

    n_train: int
    steps: Sequence[int] = ()
    epochs: Sequence[int] = ()
    best_epoch: Sequence[int] = ()
    epoch_limit: Sequence[int] = ()
    late_gain: Sequence[float] = ()
    learnt: Sequence[float] = ()
    tuned_trials: int | None = None
    blocks: Mapping[int, int] = field(default_factory=dict)
    label_smoothing: float = 0.0
    trained_prevalence: float = TRAINED_PREVALENCE

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Training":
        """Return what the content of a result.json says."""
        return cls(
            n_train=int(result["n_train"]),
            steps=tuple(result.get("steps", ())),
            epochs=tuple(result.get("epochs", ())),
            best_epoch=tuple(result.get("best_epoch", ())),
            epoch_limit=tuple(result.get("epoch_limit", ())),
            late_gain=tuple(result.get("late_gain", ())),
            learnt=tuple(result.get("learnt", ())),
            tuned_trials=result.get("tuned_trials"),
            blocks={run["seed"]: run["block"] for run in result.get("runs", ())},
            label_smoothing=smoothing_of(result),
            trained_prevalence=trained_prevalence_of(result),
        )


def untrained_table(models: Sequence[Scored], trainings: Mapping[Key, Training], minimum_steps: int) -> pd.DataFrame:
    """Return UNTRAINED_COLUMNS: a row a model that was not trained, its reasons, "KIND: NUMBERS", joined by "; ".

    models: on the validation split. trainings: by (fit, encoder, target, fraction).
    """
    known = {model.first.model: model for model in models}
    rows = []
    for key, model in known.items():
        probe = random_probe(key)
        reasons = [*training_reasons(key, trainings[key], minimum_steps)]
        if probe is not None and not has_learnt(trainings[key]):
            reasons += score_reasons(model, known.get(probe))
        reasons += spread_reasons(model)
        if reasons:
            rows.append((*key, "; ".join(reasons)))
    return pd.DataFrame(rows, columns=UNTRAINED_COLUMNS)


def in_short(reasons: str) -> str:
    """Return the kinds of a model's reasons without their numbers, as for a footnote: "few steps, at chance"."""
    return ", ".join(reason.split(":")[0] for reason in reasons.split("; "))


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
        yield f"few steps: {max(few)} where {minimum_steps} are the least"
    if training.late_gain:
        runs = zip(training.epochs, training.best_epoch, training.epoch_limit, training.late_gain, strict=True)
        last = [epochs == limit == best + 1 and gain > LATE_GAIN for epochs, best, limit, gain in runs]
        if sum(last) >= len(last) / 2:
            yield f"still improving: the last epoch was the best in {sum(last)} of {len(last)} runs"


def has_learnt(training: Training) -> bool:
    """Say whether most runs learnt their training set; what fails on validation then is generalisation."""
    learnt = [share >= MIN_LEARNT for share in training.learnt]
    return sum(learnt) > len(learnt) / 2


def score_reasons(model: Scored, probe: Scored | None = None) -> Iterator[str]:
    """Yield what is wrong with validation scores; probe: of a random encoder, where one must be reached."""
    score, error = score_and_error(model)
    name, chance = NAMES[model.metric], CHANCE[model.metric]
    if score - SIGMAS * error <= chance:
        yield f"at chance: validation {name} {score:.3f}"
    if probe is not None and (below := score_and_error(probe)[0] - score) > SIGMAS * error_of_difference(model, probe):
        yield f"below a random encoder's probe: validation {name} {score:.3f}, probe {score + below:.3f}"


def spread_reasons(model: Scored) -> Iterator[str]:
    """Yield whether the predictions hardly differ between subjects."""
    if (stds(model) < MIN_STD).mean() >= 0.5:
        yield "no spread: nearly the same prediction for everybody"


def error_of_difference(model: Scored, other: Scored) -> float:
    """Return the standard error over subjects of the difference of two models' scores on the same subjects."""
    difference = model.measured[1].mean(axis=0) - other.measured[1].mean(axis=0)
    return float(np.sqrt((difference**2).sum()))


def score_and_error(model: Scored) -> tuple[float, float]:
    """Return the metric, mean over runs and outputs, and its standard error over subjects.

    Runs and phenotypes of the same subjects do not count as more subjects. The error is NaN for an AUROC of fewer than
    two subjects of a class. Predictions that are constant have the score of chance.
    """
    values, influence = model.measured
    values = np.where(np.isnan(values), CHANCE[model.metric], values)
    return float(values.mean()), float(np.sqrt((influence.mean(axis=0) ** 2).sum()))


def stds(model: Scored) -> NDArray[np.float64]:
    """Return the standard deviation over subjects of the log odds, (outputs, runs).

    Of phenotypes that of the predictions, in standard deviations of the truth.
    """
    if model.metric == "auroc":
        return logit(np.clip(model.first.scores, TINY, 1 - TINY)).std(axis=1)[None]
    known = [(entry, ~np.isnan(entry.y_true)) for entry in model.outputs]
    return np.array([entry.scores[:, there].std(axis=1) / entry.y_true[there].std() for entry, there in known])
