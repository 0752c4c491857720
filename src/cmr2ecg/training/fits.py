"""All fine-tunings of one encoder in one process: each (target, fraction) in a folder of its own, seeds kept."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from cmr2ecg.command import InputError
from cmr2ecg.training.checkpoint import load_resume, save_resume, save_weights
from cmr2ecg.training.finetune import Fit, Fold, Setup, cut_to_learnable
from cmr2ecg.training.result import digest, peak_memory_mb, provenance
from cmr2ecg.training.schedule import absolute_rate
from cmr2ecg.training.seeds import (
    SeedResult,
    best_seed,
    keep_weights,
    prediction_rows,
    run_seeds,
    seed_stem,
    write_outcome,
    write_skipped,
)
from cmr2ecg.training.subjects import Subjects
from cmr2ecg.training.targets import Scale, Task, task_of

log = logging.getLogger(__name__)
RESUME_SECONDS = 60.0  # between resume points of one seed
NOT_THE_RESULT = ("seeds", "keep_checkpoints")  # settings that a single seed's result does not depend on


@dataclass(frozen=True)
class Encoder:
    """An encoder to fine-tune: name, sizes of the networks, pre-trained weights or None, and the machine."""

    name: str
    models: dict
    start: dict[str, Tensor] | None
    device: torch.device
    precision: str


class Origin:
    """What the results of one job have in common: where they come from, and what they depend on.

    Args:
        module: the step's module.
        files: input files of all fits.
        settings: the step's settings, of which networks and device count for every fit.
        started: time.monotonic() when the step began.
        machine: device, precision, threads.
    """

    def __init__(self, module: str, files: Sequence[Path], settings: dict, started: float, **machine: object) -> None:
        self.settings, self.started = settings, started
        self.whole = provenance(module, files, started, **machine)

    def depends_on(self, *files: Path | None) -> list:
        """Return a JSON value that changes with code, networks, precision or one of these input files."""
        digests = [self.whole["inputs"][str(path)] for path in files if path]
        return [self.whole["code"], self.settings["models"], self.whole["precision"], digests]

    def describe(self, about: dict, method: dict) -> dict:
        """Return `about` with the settings used and the provenance up to now."""
        spent = {
            "wall_seconds": round(time.monotonic() - self.started, 2),
            "peak_memory_mb": round(peak_memory_mb(), 1),
        }
        return {**about, "settings": {**self.settings, "method": method}, "provenance": {**self.whole, **spent}}


def fit_target(
    encoder: Encoder,
    subjects: Subjects,
    target: str,
    fraction: int,
    settings: dict,
    *,
    directory: Path,
    origin: Origin,
    inputs: object,
) -> None:
    """Fine-tune every seed for one target and fraction and write the folder; a fit that cannot be had says why.

    Args:
        encoder, subjects: shared by all fits.
        settings: of the config's section finetune, overrides and a sweep's choice applied.
        directory: the output folder.
        origin: of the job.
        inputs: JSON value that changes with code, networks, recordings or weights.
    """
    label = f"finetune {encoder.name}/{target}/{fraction}"
    task = task_of(target)
    about = {
        "step": "finetune",
        "name": f"{encoder.name}/{target}/{fraction}",
        "encoder": encoder.name,
        "target": target,
        "fraction": fraction,
    }
    try:
        folds = {name: subjects.fold(task, name, fraction) for name in ("train", "val", "test")}
        task, folds, left_out = cut_to_learnable(task, folds)
        for name, reason in left_out.items():
            log.warning("%s: %s is left out: %s", label, name, reason)
        owner = digest([{k: v for k, v in settings.items() if k not in NOT_THE_RESULT}, inputs, digest_of(folds)])
        results = fit_seeds(encoder, task, folds, settings, directory=directory, owner=owner, label=label)
    except InputError as error:
        reason = " ".join(str(error).split())
        log.warning("%s: skipped: %s", label, reason)
        write_skipped(directory, origin.describe(about, settings), reason)
        return
    about |= {
        "outputs": list(task.outputs),
        "skipped_outputs": left_out,
        "seeds": settings["seeds"],
        "learning_rate": absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"]),
        **{f"n_{name}": len(fold.eids) for name, fold in folds.items()},
    }
    if task.is_regression:
        scale = Scale.of(folds["train"].values)
        about["scale"] = {"mean": scale.mean.tolist(), "std": scale.std.tolist()}
    write_outcome(directory, results, origin.describe(about, settings))


def fit_seeds(
    encoder: Encoder,
    task: Task,
    folds: Mapping[str, Fold],
    settings: dict,
    *,
    directory: Path,
    owner: str,
    label: str,
) -> list[SeedResult]:
    """Return every seed's result and leave the weights that settings["keep_checkpoints"] names."""
    setup = Setup(
        encoder.name,
        encoder.models,
        encoder.start,
        task,
        folds["train"],
        folds["val"],
        encoder.device,
        encoder.precision,
    )

    def fit_seed(seed: int) -> SeedResult:
        fit = train_resumably(Fit(setup, settings, seed), directory / "resume.pt", digest([owner, seed]))
        if settings["keep_checkpoints"] != "none":
            save_weights(seed_stem(directory, seed).with_suffix(".safetensors"), fit.best_model())
        return seed_result(fit, folds)

    seeds, keep = settings["seeds"], settings["keep_checkpoints"]
    run = {"directory": directory, "owner": owner, "label": label}
    results = run_seeds(seeds, fit_seed, **run)
    scores = {seed: result[2][f"val_{task.metric}"] for seed, result in zip(seeds, results, strict=True)}
    wanted = {"none": [], "best": [best_seed(scores)], "all": seeds}[keep]
    lost = [seed for seed in wanted if not seed_stem(directory, seed).with_suffix(".safetensors").exists()]
    if lost:  # another setting of keep_checkpoints, or another best seed, than when these were trained
        for seed in lost:
            seed_stem(directory, seed).with_suffix(".json").unlink()
        results = run_seeds(seeds, fit_seed, **run)
    keep_weights(directory, scores, keep)
    return results


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


def seed_result(fit: Fit, folds: Mapping[str, Fold]) -> SeedResult:
    """Return the predictions of val and test, with the weights that were best on val, the epochs and a summary."""
    model, task = fit.best_model(), fit.setup.task
    rows = []
    for name in ("val", "test"):
        fold = folds[name]
        scores = fit.predict(fold, model)
        for column, output in enumerate(task.outputs):
            rows.append(prediction_rows(fit.seed, fold.eids, name, output, fold.values[:, column], scores[:, column]))
    summary = {
        f"val_{task.metric}": fit.best_score,
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history),
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
    }
    return pd.concat(rows), fit.history, summary


def digest_of(folds: Mapping[str, Fold]) -> str:
    """Return a SHA-256 of who is in the folds and what they have."""
    whole = hashlib.sha256()
    for name, fold in sorted(folds.items()):
        whole.update(name.encode() + fold.eids.tobytes() + fold.values.tobytes())
    return whole.hexdigest()
