"""Fine-tuning: every weight of an encoder on one target, stopped on the validation metric (paper §IV-C.2).

A `Setup` holds what fits share: one copy of the data, one warm start, one target, from which `cut_to_learnable` has
removed outputs that cannot be learnt. `fit_all(setup, runs)` trains each (settings, seed) of `runs`; a `Fit` can also
be driven by hand, for successive halving:

    fits = [Fit(setup, settings, seed) for settings, seed in runs]
    for fit in fits:
        fit.advance(10)                      # to 10 epochs, or to its early stop
    best = max(fits, key=lambda fit: fit.best_score)
    best.advance()                           # to its last epoch, exactly as if it had never stopped
    best.predict(test)                       # (n, outputs) probabilities or phenotypes, of the best epoch's weights

Steps count, not epochs: a training on few subjects goes on for as many epochs as settings["minimum_steps"] takes, and
is not stopped before. `fit.history` has one row an epoch: seed, epoch, train_loss, learning_rate and, of epochs that
were validated, val_auroc or val_r. A fit holds four copies of the weights in memory; `fit.state()` and
`fit.restore(state)` move it to disk and back.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.draw import Generator
from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.loading.paired_data import View, in_turn
from cmr2ecg.models import classifier
from cmr2ecg.models.classifier import CmrPredictor, Predictor, build_encoder
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training import epoch as epochs
from cmr2ecg.training.device import autocast
from cmr2ecg.training.fit.targets import Scale, Task, learnable, loss_of, readout, score, targets_tensor
from cmr2ecg.training.optimizer import adamw, parameter_groups

EVALUATION_BATCH = 256
LEAST_LOOKS = 8  # of a training at its validation subjects: after one or two, chance alone makes the last the best


@dataclass(frozen=True)
class Fold:
    """Subjects `eids` (n,), their recordings, and their values (n, outputs): labels, or phenotypes with NaN."""

    data: View
    eids: np.ndarray
    values: np.ndarray

    def with_values(self) -> "Fold":
        """Return the subjects that have at least one value; only these can be trained on or scored."""
        there = np.flatnonzero(np.isfinite(self.values).any(axis=1))
        return Fold(View(self.data.data, self.data.positions[there]), self.eids[there], self.values[there])


def cut_to_learnable(task: Task, folds: dict[str, Fold]) -> tuple[Task, dict[str, Fold], dict[str, str]]:
    """Return the task and folds without the outputs that cannot be learnt or scored, and {output: reason} of those.

    folds: "train", "val" and any others.

    Raises:
        InputError: if no output is left.
    """
    task, by_draw, reasons = cut_each_draw(task, {0: folds})
    return task, by_draw[0], reasons


def cut_each_draw(
    task: Task, by_draw: Mapping[int, dict[str, Fold]]
) -> tuple[Task, dict[int, dict[str, Fold]], dict[str, str]]:
    """Return the same for several draws of the training subjects: an output stays if it can be learnt on each.

    Raises:
        InputError: if no output is left.
    """
    reasons: dict[str, str] = {}
    for folds in by_draw.values():
        reasons = learnable(task, folds["train"].values, folds["val"].values)[1] | reasons
    kept = [k for k, name in enumerate(task.outputs) if name not in reasons]
    if not kept:
        raise InputError(f"{task.target}: cannot be learnt or scored; no output can on every draw of the subset")
    cut = {
        draw: {name: Fold(fold.data, fold.eids, fold.values[:, kept]) for name, fold in folds.items()}
        for draw, folds in by_draw.items()
    }
    return Task(task.target, tuple(task.outputs[k] for k in kept)), cut, reasons


@dataclass(frozen=True)
class Setup:
    """What fits share.

    encoder: its name, which says whether it reads ECGs or images. models: sizes of the networks. start: weights of the
    pre-trained encoder, None for random ones. device, precision: as of training.device.
    """

    encoder: str
    models: dict
    start: dict[str, Tensor] | None
    task: Task
    train: Fold
    val: Fold
    device: torch.device
    precision: str


class Fit:
    """One training of one seed, that can stop after any epoch and resume.

    Raises:
        InputError: if the start is of another network.
    """

    def __init__(self, setup: Setup, settings: dict, seed: int) -> None:
        self.setup, self.seed = setup, seed
        self.train, self.val = setup.train.with_values(), setup.val.with_values()
        self.model = build_predictor(setup, settings, seed)
        subjects, batch_size = len(self.train.eids), settings["batch_size"]
        # Batch norm has no statistics of a single subject: where a batch would be one, full ones are taken.
        smallest = subjects // epochs.steps_in_epoch(subjects, batch_size, full_batches=False)
        self.full_batches = self.model.batch_norm and smallest == 1
        self.steps_per_epoch = epochs.steps_in_epoch(subjects, batch_size, full_batches=self.full_batches)
        enough = math.ceil(settings["minimum_steps"] / self.steps_per_epoch)
        self.settings = {**settings, "epochs": max(settings["epochs"], enough)}
        interval = settings["validation_interval"]
        self.validated_every = epochs_between_validations(interval, self.steps_per_epoch, self.settings["epochs"])
        self.scale = Scale.of(self.train.values)
        self.targets = targets_tensor(setup.task, self.train.values, self.scale).to(setup.device)
        self.optimizer = optimizer_of(self.model, settings)
        self.history: list[dict] = []
        self.best_epoch, self.best_score, self.waited = -1, -math.inf, 0
        self.best_state = copy_state(self.model)

    @property
    def steps(self) -> int:
        """Return the number of optimiser steps taken."""
        return len(self.history) * self.steps_per_epoch

    @property
    def finished(self) -> bool:
        """Say whether all epochs are done, or the validation metric has not risen for long enough."""
        out_of_patience = self.waited >= self.settings["patience"] and self.steps >= self.settings["minimum_steps"]
        return len(self.history) >= self.settings["epochs"] or out_of_patience

    def advance(self, until: int | None = None) -> "Fit":
        """Train up to `until` epochs in all (None: the last one), or to the early stop."""
        limit = self.settings["epochs"] if until is None else until
        while len(self.history) < limit and not self.finished:
            self._one_epoch(len(self.history))
        return self

    def _one_epoch(self, epoch: int) -> None:
        loss = train_epoch(self, epoch)
        row = {"seed": self.seed, "epoch": epoch, "train_loss": loss}
        row["learning_rate"] = max(group["lr"] for group in self.optimizer.param_groups)
        if (epoch + 1) % self.validated_every == 0 or epoch + 1 == self.settings["epochs"]:
            row[f"val_{self.setup.task.metric}"] = self._validate(epoch)
        self.history.append(row)

    def _validate(self, epoch: int) -> float:
        """Return the validation score; keep the weights if it is the best, or count the epochs since the last look."""
        found = score(self.setup.task, self.val.values, self.predict(self.val, self.model))
        # The authors' counter also starts anew at a score within a tolerance of the best.
        tolerance = self.settings["patience_tolerance"]
        risen = found > self.best_score
        near = tolerance and found >= self.best_score - tolerance
        self.waited = 0 if risen or near else self.waited + self.validated_every
        if risen:
            self.best_epoch, self.best_score = epoch, found
            self.best_state = copy_state(self.model)
        return found

    def best_model(self) -> Predictor:
        """Return a copy of the network with the weights of the best epoch."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.best_state)
        return model

    def predict(self, fold: Fold, model: Predictor | None = None, precision: str | None = None) -> np.ndarray:
        """Return the probability of the disease, or phenotypes in their units, (n, outputs) of every subject of a fold.

        model: None takes the best epoch's weights. precision: None takes that of training; scores that are kept are
        fp32, since bf16 has only some hundred different ones.
        """
        setup = self.setup if precision is None else replace(self.setup, precision=precision)
        return predict(model or self.best_model(), fold, self.scale, setup, self.settings)

    def state(self) -> dict:
        """Return all that another process needs to resume: tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": copy.deepcopy(self.history),
            "best": [self.best_epoch, self.best_score, self.waited],
            "best_state": self.best_state,
        }

    def restore(self, state: dict) -> None:
        """Go on from what `state()` returned under the same setup, settings and seed."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best_state = state["history"], state["best_state"]
        self.best_epoch, self.best_score, self.waited = state["best"]


def epochs_between_validations(interval: int, steps_per_epoch: int, epochs: int) -> int:
    """Return after how many epochs a training looks at its validation subjects again.

    interval: fewest steps between two looks, unless LEAST_LOOKS ones, or one an epoch, would not fit into `epochs`.
    """
    return min(math.ceil(interval / steps_per_epoch), max(1, epochs // LEAST_LOOKS))


def fit_all(setup: Setup, runs: Sequence[tuple[dict, int]], until: int | None = None) -> list[Fit]:
    """Return the fits of each (settings, seed), trained to `until` epochs or, by default, to their end."""
    return [Fit(setup, settings, seed).advance(until) for settings, seed in runs]


def build_predictor(setup: Setup, settings: dict, seed: int) -> Predictor:
    """Return the encoder, from its start, with pooling and head that `seed` draws.

    Raises:
        InputError: if the start is of another network; names the first difference.
    """
    torch.manual_seed(seed)
    encoder = build_encoder(setup.encoder, setup.models, settings["drop_path"])
    if setup.start is not None:
        load_start(encoder, setup.start, setup.encoder)
    return classifier.build_predictor(encoder, setup.task.network_outputs, settings["pooling"]).to(setup.device)


def load_start(encoder: nn.Module, start: dict[str, Tensor], name: str) -> None:
    """Load pre-trained weights into a network of the same shape, or raise InputError with the first difference."""
    try:
        encoder.load_state_dict(start)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise InputError(
            f"{name}: its pre-trained weights are of another network; check config models: {first}"
        ) from error


def optimizer_of(model: Predictor, settings: Mapping[str, Any]) -> torch.optim.AdamW:
    """Return AdamW with layer-wise rates; biases, norms and position embeddings have no weight decay."""
    groups = parameter_groups(model, settings["weight_decay"], settings["layer_decay"], model.layer_of)
    return adamw(groups, 0.0, settings["betas"])


def train_epoch(fit: Fit, epoch: int) -> float:
    """Run one epoch and return the mean loss."""
    setup, settings, model = fit.setup, fit.settings, fit.model

    def loss(batch: dict[str, Tensor], positions: np.ndarray, generator: Generator) -> Tensor:
        inputs = training_view(batch, model, settings, generator)
        with autocast(setup.device, setup.precision):
            outputs = model(inputs)
        targets = fit.targets[torch.from_numpy(positions).to(setup.device)]
        return loss_of(setup.task, outputs, targets, settings["label_smoothing"])

    model.train()
    return epochs.train_epoch(
        fit.train.data, loss, fit.optimizer, settings, seed=fit.seed, epoch=epoch, full_batches=fit.full_batches
    )


def training_view(
    batch: dict[str, Tensor], model: Predictor, settings: Mapping[str, Any], generator: Generator
) -> Tensor:
    """Return augmented images, or ECGs (batch, 12, samples) cut at random (authors) or at the start (paper)."""
    if isinstance(model, CmrPredictor):
        return augment_cmr(batch["cmr"], settings["cmr_augment"], generator)
    ecg, samples = batch["ecg"], model.encoder.samples
    crop = random_crop(ecg, samples, generator) if settings["random_crop"] else ecg[..., :samples]
    return augment_ecg(crop, settings["augment"], generator)


def evaluation_views(batch: dict[str, Tensor], model: Predictor, crops: int) -> list[Tensor]:
    """Return what is predicted from: the image, or `crops` pieces of each ECG, evenly spaced from the first sample."""
    if isinstance(model, CmrPredictor):
        return [batch["cmr"].float()]
    ecg, samples = batch["ecg"], model.encoder.samples
    starts = np.linspace(0, ecg.shape[2] - samples, crops).round().astype(int)
    return [ecg[..., start : start + samples] for start in starts]


def predict(model: Predictor, fold: Fold, scale: Scale, setup: Setup, settings: dict) -> np.ndarray:
    """Return predictions (n, outputs) float64 of a fold, the mean over the views of settings["evaluation_crops"]."""
    model.eval()
    parts = []
    with torch.inference_mode():
        for batch in fold.data.batches(in_turn(len(fold.data), EVALUATION_BATCH)):
            batch = epochs.to_device(batch, setup.device)
            views = []
            for view in evaluation_views(batch, model, settings["evaluation_crops"]):
                with autocast(setup.device, setup.precision):
                    outputs = model(view)
                views.append(readout(setup.task, outputs, scale))
            parts.append(np.mean(views, axis=0))
    return np.concatenate(parts)


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
