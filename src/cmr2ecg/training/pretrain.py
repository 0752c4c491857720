"""The pre-training loop: epochs over all training subjects, validation, a resume point after each epoch.

An objective is a module with
- `fields`: what it reads, "ecg", "cmr" or both; `needs_full_batches`: contrastive losses do;
- `prepare(batch, generator, *, augment)`: the inputs of one step, augmented in fp32;
- `loss(*prepared)`: networks and loss, under autocast; contrastive losses `gather` (training/distributed.py) first;
- `networks()`: what is saved, by file name;
and, each where it makes sense,
- `embeddings(*prepared)`: features by name, each (batch, d), row i from subject i, under autocast, without gradient in
  validation. Those named in `pair` = (a, b) are the projections of positive pairs, which alignment, uniformity and
  retrieval are measured on. Every other one is an encoder's output, which is judged for collapse. Not gathered.
- `loss_from(embeddings)`: where `loss(*prepared)` is `loss_from(embeddings(*prepared))`; validation then needs one
  pass, and its measures cover all validation subjects. Without it they cover the first HEALTH_SUBJECTS.
- `after_step(progress)`: called after each update with the share of the whole training that is done, in (0, 1].

Settings read here: seed, epochs, batch_size (over all processes), base_lr, lr_reference_batch, warmup_fraction,
weight_decay, betas, select, and `optimizer`: adamw (also when absent) or adam_l2.
"""

import copy
import json
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cmr2ecg.data.loading import PairedData
from cmr2ecg.files import atomic
from cmr2ecg.progress import Progress
from cmr2ecg.training import epoch as epochs
from cmr2ecg.training.checkpoint import load_resume, save_resume, save_weights
from cmr2ecg.training.device import autocast
from cmr2ecg.training.optimizer import adamw, parameter_groups

log = logging.getLogger(__name__)


@dataclass
class Course:
    """How far a training has come."""

    history: list[dict] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = math.inf
    best_state: dict[str, Tensor] | None = None


def train_epoch(objective: nn.Module, data: PairedData, optimizer, settings: dict, epoch: int, precision: str) -> float:
    """Run one epoch of an objective and return the mean training loss."""
    device = next(objective.parameters()).device

    def loss_of(batch: dict[str, Tensor], _positions: np.ndarray, generator: torch.Generator) -> Tensor:
        prepared = objective.prepare(batch, generator, augment=True)
        with autocast(device, precision):
            return objective.loss(*prepared)

    objective.train()
    run = {"seed": settings["seed"], "epoch": epoch, "full_batches": objective.needs_full_batches}
    return epochs.train_epoch(data, loss_of, optimizer, settings, **run)


@torch.no_grad()
def validation_loss(objective: nn.Module, data: PairedData, settings: dict, precision: str) -> float:
    """Return the mean loss over the validation subjects, with the same masks and views in every epoch."""
    device = next(objective.parameters()).device
    generator = epochs.seed_epoch(settings["seed"], 2**31, device)
    objective.eval()
    losses, sizes = [], []
    for batch in data.batches(np.arange(len(data)), settings["batch_size"]):
        size = len(next(iter(batch.values())))
        if size == 1 and objective.needs_full_batches:
            continue
        prepared = objective.prepare(epochs.to_device(batch, device), generator, augment=False)
        with autocast(device, precision):
            losses.append(float(objective.loss(*prepared)))
        sizes.append(size)
    return float(np.average(losses, weights=sizes))


def snapshot(objective: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights."""
    return {name: value.detach().clone() for name, value in objective.state_dict().items()}


def pretrain(
    objective: nn.Module,
    train: PairedData,
    val: PairedData,
    settings: dict,
    *,
    directory: Path,
    owner: str,
    precision: str,
    label: str,
) -> Course:
    """Train `objective` for settings["epochs"], resuming from directory/resume.pt where that is `owner`'s.

    Afterwards the objective holds the last epoch's weights, or the best by validation loss (settings["select"]).
    """
    device = next(objective.parameters()).device
    optimizer = adamw(parameter_groups(objective, settings["weight_decay"]), 0.0, settings["betas"])
    course = resume(directory / "resume.pt", owner, objective, optimizer, device)
    progress = Progress(label, settings["epochs"], done=len(course.history))
    for epoch in range(len(course.history), settings["epochs"]):
        train_loss = train_epoch(objective, train, optimizer, settings, epoch, precision)
        val_loss = validation_loss(objective, val, settings, precision)
        rate = max(group["lr"] for group in optimizer.param_groups)
        course.history.append({"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss, "learning_rate": rate})
        if val_loss < course.best_loss:
            course.best_epoch, course.best_loss = epoch, val_loss
            course.best_state = snapshot(objective) if settings["select"] == "best" else None
        write_history(directory / "metrics.jsonl", course.history)
        save_resume(directory / "resume.pt", owner, resume_state(objective, optimizer, course))
        progress.step(train_loss=train_loss, val_loss=val_loss)
    progress.close()
    if course.best_state is not None:
        objective.load_state_dict(course.best_state)
    return course


def resume_state(objective: nn.Module, optimizer: torch.optim.Optimizer, course: Course) -> dict:
    """Return all that a later process needs to go on after the last finished epoch."""
    return {
        "objective": objective.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": copy.deepcopy(course.history),
        "best_epoch": course.best_epoch,
        "best_loss": course.best_loss,
        "best_state": course.best_state,
    }


def resume(path: Path, owner: str, objective: nn.Module, optimizer, device: torch.device) -> Course:
    """Load a resume point into objective and optimizer and return its course, or a fresh one."""
    state = load_resume(path, owner, device)
    if state is None:
        return Course()
    objective.load_state_dict(state["objective"])
    optimizer.load_state_dict(state["optimizer"])
    log.info("resuming after epoch %d", len(state["history"]))
    return Course(state["history"], state["best_epoch"], state["best_loss"], state["best_state"])


def write_history(path: Path, history: list[dict]) -> None:
    """Write one JSON object a line."""
    with atomic(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in history))


def save_networks(objective: nn.Module, directory: Path) -> None:
    """Write every network of the objective as <name>.safetensors."""
    for name, network in objective.networks().items():
        save_weights(directory / f"{name}.safetensors", network)
