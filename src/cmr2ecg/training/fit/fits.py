"""All fine-tunings of one encoder in one process: each (target, fraction) in a folder of its own, seeds kept."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from cmr2ecg.training.checkpoint import load_resume, save_resume, save_weights
from cmr2ecg.training.device import Machine
from cmr2ecg.training.fit.finetune import Fit, Fold, Setup
from cmr2ecg.training.fit.fit_folder import ByDraw, FitFolder, digest_of, fold_rows
from cmr2ecg.training.fit.runs import Run, described, draws_of
from cmr2ecg.training.fit.seeds import SeedResult, SeedStore, seeds_to_keep
from cmr2ecg.training.fit.targets import Task
from cmr2ecg.training.optimizer import absolute_rate
from cmr2ecg.training.result import digest

log = logging.getLogger(__name__)
RESUME_SECONDS = 60.0  # between resume points of one seed
NOT_THE_RESULT = ("seeds", "keep_checkpoints")  # settings that a single seed's result does not depend on


@dataclass(frozen=True)
class Encoder:
    """An encoder to fine-tune: name, sizes of the networks, pre-trained weights, and the machine.

    starts: weights of each pre-training, none for an encoder that starts from random ones. inputs: number of the start
    (None: random weights) -> a JSON value that changes with code, networks, recordings and weights.
    """

    name: str
    models: dict
    starts: Sequence[dict[str, Tensor]]
    inputs: Mapping[int | None, object]
    machine: Machine

    def start_of(self, run: Run) -> int | None:
        """Return which weights a run starts from; where there are fewer than blocks, several share them."""
        return run.block % len(self.starts) if self.starts else None

    def setup(self, run: Run, task: Task, folds: Mapping[str, Fold]) -> Setup:
        """Return what a run shares with those of the same start and draw."""
        start = self.start_of(run)
        weights = None if start is None else self.starts[start]
        machine = self.machine.device, self.machine.precision
        return Setup(self.name, self.models, weights, task, folds["train"], folds["val"], *machine)


def fit_target(encoder: Encoder, folder: FitFolder, settings: dict, runs: Sequence[Run], **more: object) -> None:
    """Fine-tune every run of one target and fraction and write the folder; a fit that cannot be had says why.

    Args:
        encoder: shared by all fits of a job.
        folder: of the target and fraction.
        settings: of the config's section finetune, overrides and a sweep's choice applied.
        runs: seeds, with the pre-training and the draw of each.
        more: recorded beside.
    """
    rate = absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"])
    counted = {key: value for key, value in settings.items() if key not in NOT_THE_RESULT}

    def work(task: Task, by_draw: ByDraw) -> tuple[list[SeedResult], dict[str, object]]:
        digests = {draw: digest_of(drawn) for draw, drawn in by_draw.items()}
        keys = {run.seed: digest([counted, encoder.inputs[encoder.start_of(run)], digests[run.draw]]) for run in runs}
        results = fit_runs(encoder, task, by_draw, settings, runs, keys, store=folder.store, label=folder.label)
        about = {"seeds": [run.seed for run in runs], "runs": described(runs), "learning_rate": rate}
        return results, {**about, **more}

    folder.write(settings, work, draws_of(runs))


def fit_runs(
    encoder: Encoder,
    task: Task,
    by_draw: ByDraw,
    settings: dict,
    runs: Sequence[Run],
    cache_keys: Mapping[int, str],
    *,
    store: SeedStore,
    label: str,
) -> list[SeedResult]:
    """Return every run's result and leave the weights that settings["keep_checkpoints"] names.

    by_draw: draw -> folds. cache_keys: seed -> digest of what its run depends on.
    """
    run_of = {run.seed: run for run in runs}
    keep = settings["keep_checkpoints"]

    def fit_seed(seed: int) -> SeedResult:
        run = run_of[seed]
        folds = by_draw[run.draw]
        fit = Fit(encoder.setup(run, task, folds), settings, seed)
        train_resumably(fit, store.directory / "resume.pt", digest([cache_keys[seed], seed]))
        if keep != "none":
            save_weights(store.weights(seed), fit.best_model())
        return seed_result(fit, folds)

    results = store.run(cache_keys, fit_seed, label=label)
    scores = {seed: result[2][f"val_{task.metric}"] for seed, result in zip(cache_keys, results, strict=True)}
    # Another setting of keep_checkpoints, or another best seed, than when these were trained.
    if store.lose_those_without_weights(seeds_to_keep(scores, keep)):
        results = store.run(cache_keys, fit_seed, label=label)
    store.keep_weights(scores, keep)
    return results


def train_resumably(fit: Fit, path: Path, cache_key: str) -> Fit:
    """Train to the end, from `path` where that is this fit's, leaving a resume point there every minute."""
    state = load_resume(path, cache_key, fit.setup.device)
    if state is not None:
        fit.restore(state)
        log.info("resuming after epoch %d", len(fit.history))
    saved = time.monotonic()
    while not fit.finished:
        fit.advance(len(fit.history) + 1)
        if time.monotonic() - saved > RESUME_SECONDS and not fit.finished:
            save_resume(path, cache_key, fit.state())
            saved = time.monotonic()
    path.unlink(missing_ok=True)
    return fit


def late_gain(scores: Sequence[float]) -> float:
    """Return how far the best of the last tenth of the validation scores, at least one, is above the best before."""
    early = max(1, math.floor(0.9 * len(scores)))
    return round(max(scores[early:], default=scores[0]) - max(scores[:early]), 6)


def learnt(task: Task, losses: Sequence[float], label_smoothing: float, prevalence: float = 0.5) -> float:
    """Return how far the training loss fell from chance (0) to the least possible (1).

    It is that of the last tenth of the epochs, at least one. Chance is predicting the same for everybody: ln 2 in a
    balanced subset, the entropy of the smoothed prevalence in another, 1 for z-scores. The least is the entropy of the
    smoothed labels, 0 for z-scores. Augmentation and dropout, which training has, keep it from 1.
    """
    last = float(np.mean(losses[min(len(losses) - 1, math.floor(0.9 * len(losses))) :]))
    chance, least = (1.0, 0.0)
    if not task.is_regression:
        smoothed = (1 - label_smoothing) * prevalence + label_smoothing / 2
        chance, least = binary_entropy(smoothed), binary_entropy(label_smoothing / 2)
    return round((chance - last) / (chance - least), 4)


def binary_entropy(share: float) -> float:
    """Return the entropy in nats of two outcomes, one of which has this probability."""
    return -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)


def seed_result(fit: Fit, folds: Mapping[str, Fold]) -> SeedResult:
    """Return the predictions of val and test, with the weights that were best on val, the epochs and a summary."""
    model, task = fit.best_model(), fit.setup.task
    metric = f"val_{task.metric}"
    rows = [
        fold_rows(fit.seed, task, split, folds[split], fit.predict(folds[split], model, precision="fp32"))
        for split in ("val", "test")
    ]
    summary = {
        metric: fit.best_score,
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history),
        "epoch_limit": fit.settings["epochs"],
        "steps": fit.steps,
        "best_step": (fit.best_epoch + 1) * fit.steps_per_epoch,
        "late_gain": late_gain([row[metric] for row in fit.history if metric in row]),
        "learnt": learnt(
            task,
            [row["train_loss"] for row in fit.history],
            fit.settings["label_smoothing"],
            float(np.nanmean(folds["train"].values)),
        ),
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
    }
    return pd.concat(rows), fit.history, summary
