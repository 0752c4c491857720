"""All fine-tunings of one encoder in one process: each (target, fraction) in a folder of its own, seeds kept."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from cmr2ecg.training.checkpoint import load_resume, save_resume, save_weights
from cmr2ecg.training.fit.finetune import Fit, Fold, Setup
from cmr2ecg.training.fit.fit_folder import Origin, digest_of, fold_rows, write_fit
from cmr2ecg.training.fit.runs import Run, described, draws_of
from cmr2ecg.training.fit.seeds import SeedResult, best_seed, keep_weights, run_seeds, seed_stem
from cmr2ecg.training.fit.subjects import Subjects
from cmr2ecg.training.fit.targets import Task
from cmr2ecg.training.optimizer import absolute_rate
from cmr2ecg.training.result import digest

log = logging.getLogger(__name__)
RESUME_SECONDS = 60.0  # between resume points of one seed
NOT_THE_RESULT = ("seeds", "keep_checkpoints")  # settings that a single seed's result does not depend on


@dataclass(frozen=True)
class Encoder:
    """An encoder to fine-tune: name, sizes of the networks, pre-trained weights, and the machine.

    starts: weights of each pre-training, none for an encoder that starts from random ones.
    """

    name: str
    models: dict
    starts: Sequence[dict[str, Tensor]]
    device: torch.device
    precision: str

    def start_of(self, run: Run) -> int | None:
        """Return which weights a run starts from; where there are fewer than blocks, several share them."""
        return run.block % len(self.starts) if self.starts else None


def fit_target(
    encoder: Encoder,
    subjects: Subjects,
    target: str,
    fraction: int,
    settings: dict,
    *,
    runs: Sequence[Run],
    directory: Path,
    origin: Origin,
    inputs: Mapping[int | None, object],
    more: dict,
) -> None:
    """Fine-tune every run of one target and fraction and write the folder; a fit that cannot be had says why.

    Args:
        encoder, subjects: shared by all fits.
        settings: of the config's section finetune, overrides and a sweep's choice applied.
        runs: seeds, with the pre-training and the draw of each.
        directory: the output folder.
        origin: of the job.
        inputs: start (None: random weights) -> a JSON value that changes with code, networks, recordings, weights.
        more: recorded beside.
    """
    rate = absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"])
    counted = {key: value for key, value in settings.items() if key not in NOT_THE_RESULT}

    def work(task: Task, by_draw: dict[int, dict[str, Fold]], label: str) -> tuple[list[SeedResult], dict]:
        digests = {draw: digest_of(drawn) for draw, drawn in by_draw.items()}
        owners = {run.seed: digest([counted, inputs[encoder.start_of(run)], digests[run.draw]]) for run in runs}
        results = fit_runs(encoder, task, by_draw, settings, runs, owners, directory=directory, label=label)
        about = {"seeds": [run.seed for run in runs], "runs": described(runs), "learning_rate": rate}
        return results, {**about, **more}

    where = {"directory": directory, "origin": origin}
    write_fit(encoder.name, subjects, target, fraction, settings, work, draws=draws_of(runs), **where)


def fit_runs(
    encoder: Encoder,
    task: Task,
    by_draw: Mapping[int, Mapping[str, Fold]],
    settings: dict,
    runs: Sequence[Run],
    owners: Mapping[int, str],
    *,
    directory: Path,
    label: str,
) -> list[SeedResult]:
    """Return every run's result and leave the weights that settings["keep_checkpoints"] names.

    by_draw: draw -> folds. owners: seed -> digest of what its run depends on.
    """
    run_of = {run.seed: run for run in runs}

    def fit_seed(seed: int) -> SeedResult:
        run = run_of[seed]
        folds = by_draw[run.draw]
        setup = setup_of(encoder, run, task, folds)
        fit = train_resumably(Fit(setup, settings, seed), directory / "resume.pt", digest([owners[seed], seed]))
        if settings["keep_checkpoints"] != "none":
            save_weights(seed_stem(directory, seed).with_suffix(".safetensors"), fit.best_model())
        return seed_result(fit, folds)

    seeds, keep = list(owners), settings["keep_checkpoints"]
    run = {"directory": directory, "label": label}
    results = run_seeds(owners, fit_seed, **run)
    scores = {seed: result[2][f"val_{task.metric}"] for seed, result in zip(seeds, results, strict=True)}
    wanted = {"none": [], "best": [best_seed(scores)], "all": seeds}[keep]
    lost = [seed for seed in wanted if not seed_stem(directory, seed).with_suffix(".safetensors").exists()]
    if lost:  # another setting of keep_checkpoints, or another best seed, than when these were trained
        for seed in lost:
            seed_stem(directory, seed).with_suffix(".json").unlink()
        results = run_seeds(owners, fit_seed, **run)
    keep_weights(directory, scores, keep)
    return results


def setup_of(encoder: Encoder, run: Run, task: Task, folds: Mapping[str, Fold]) -> Setup:
    """Return what a run shares with those of the same start and draw."""
    start = encoder.start_of(run)
    weights = None if start is None else encoder.starts[start]
    machine = encoder.device, encoder.precision
    return Setup(encoder.name, encoder.models, weights, task, folds["train"], folds["val"], *machine)


def train_resumably(fit: Fit, path: Path, owner: str) -> Fit:
    """Train to the end, from `path` where that is this fit's, leaving a resume point there every minute."""
    state = load_resume(path, owner, fit.setup.device)
    if state is not None:
        fit.restore(state)
        log.info("resuming after epoch %d", len(fit.history))
    saved = time.monotonic()
    while not fit.finished:
        fit.advance(len(fit.history) + 1)
        if time.monotonic() - saved > RESUME_SECONDS and not fit.finished:
            save_resume(path, owner, fit.state())
            saved = time.monotonic()
    path.unlink(missing_ok=True)
    return fit


def late_gain(scores: Sequence[float]) -> float:
    """Return how far the best of the last tenth of the validation scores, at least one, is above the best before."""
    early = max(1, math.floor(0.9 * len(scores)))
    return round(max(scores[early:], default=scores[0]) - max(scores[:early]), 6)


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
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
    }
    return pd.concat(rows), fit.history, summary
