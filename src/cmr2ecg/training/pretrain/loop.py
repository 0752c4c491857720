"""The pre-training loop: epochs over all training subjects, validation, a resume point after each epoch.

Settings read here: seed, epochs, batch_size (over all processes), base_lr, lr_reference_batch, warmup_fraction,
weight_decay, betas, select, and `optimizer`: adamw (also when absent) or adam_l2.
"""

import logging
import math
import time
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from cmr2ecg.augment.draw import Generator
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.progress import Progress
from cmr2ecg.training import epoch as epochs
from cmr2ecg.training.checkpoint import save_weights
from cmr2ecg.training.device import autocast
from cmr2ecg.training.distributed import from_first, rank, single_process
from cmr2ecg.training.epoch import NotFinite
from cmr2ecg.training.optimizer import pretraining_optimizer
from cmr2ecg.training.pretrain.health import collapsed
from cmr2ecg.training.pretrain.objective import Objective
from cmr2ecg.training.pretrain.training_state import TrainingState, keep, resume, write_history
from cmr2ecg.training.pretrain.validation import validate

log = logging.getLogger(__name__)
LAST_GOOD = "last_good"


def train_epoch(
    objective: Objective, data: PairedData, optimizer: Optimizer, settings: dict, epoch: int, precision: str
) -> float:
    """Run one epoch of an objective and return the mean training loss."""
    device = next(objective.parameters()).device

    def loss_of(batch: dict[str, Tensor], _positions: np.ndarray, generator: Generator) -> Tensor:
        prepared = objective.prepare(batch, generator, augment=True)
        with autocast(device, precision):
            return objective.loss(*prepared)

    objective.train()
    return epochs.train_epoch(
        data,
        loss_of,
        optimizer,
        settings,
        seed=settings["seed"],
        epoch=epoch,
        full_batches=objective.needs_full_batches,
        after_step=objective.after_step,
    )


def pretrain(
    objective: Objective,
    train: PairedData,
    val: PairedData,
    settings: dict,
    *,
    directory: Path,
    cache_key: str,
    precision: str,
    label: str,
) -> TrainingState:
    """Train `objective` for settings["epochs"], resuming from directory/resume.pt where that has this `cache_key`.

    Afterwards the objective holds the last epoch's weights, or in the first process the best by validation loss
    (settings["select"]). Of several processes only the first validates and writes.

    Raises:
        NotFinite: names epoch, step and the folder with the last good weights.
    """
    optimizer = pretraining_optimizer(objective, settings)
    state = resume(directory / "resume.pt", cache_key, objective, optimizer)
    if rank() == 0 and state.history:  # Snakemake deletes a failed job's metrics.jsonl, also after the last epoch
        write_history(directory / "metrics.jsonl", state.history)
    progress = Progress(label, settings["epochs"], done=len(state.history))
    for epoch in range(len(state.history), settings["epochs"]):
        try:
            row = one_epoch(objective, train, val, optimizer, settings, epoch, precision)
        except NotFinite as error:
            raise NotFinite(f"{error}; {last_good(objective, directory, cache_key)}") from error
        state.add(row, objective, keep_best=settings["select"] == "best")
        if rank() == 0:
            write_history(directory / "metrics.jsonl", state.history)
            keep(directory / "resume.pt", cache_key, objective, optimizer, state)
            warn_of_collapse(row)
            progress.step(train_loss=row["train_loss"], val_loss=row["val_loss"])
    progress.close()
    if state.best_state is not None:
        objective.load_state_dict(state.best_state)
    return state


def one_epoch(
    objective: Objective,
    train: PairedData,
    val: PairedData,
    optimizer: Optimizer,
    settings: dict,
    epoch: int,
    precision: str,
) -> dict[str, float]:
    """Train and validate once and return the epoch's line of metrics.jsonl.

    Raises:
        NotFinite: if the training or the validation loss is not finite.
    """
    began, waited = time.perf_counter(), train.waited
    train_loss = train_epoch(objective, train, optimizer, settings, epoch, precision)
    seconds = time.perf_counter() - began
    measures = {}
    if rank() == 0:
        with single_process():
            measures = validate(objective, val, settings, precision)
    measures = from_first(measures)
    if not math.isfinite(measures["val_loss"]):
        raise NotFinite(f"the validation loss is not finite in epoch {epoch}; lower base_lr or use precision: fp32")
    return {
        "epoch": epoch,
        "train_loss": train_loss,
        "learning_rate": max(group["lr"] for group in optimizer.param_groups),
        **measures,
        "epoch_seconds": round(seconds, 3),
        "data_wait_share": round((train.waited - waited) / seconds, 4),
    }


def warn_of_collapse(row: dict[str, float]) -> None:
    """Log the collapsed encoders of an epoch."""
    for name in collapsed(row):
        spread, directions = row[f"{name}_spread"], row[f"{name}_effective_rank"]
        log.warning(
            "epoch %d: %s has collapsed: spread %.3f, effective rank %.1f", row["epoch"], name, spread, directions
        )


def last_good(objective: Objective, directory: Path, cache_key: str) -> str:
    """Write the weights of the last finished epoch beside the resume point and say where they are."""
    state = resume(directory / "resume.pt", cache_key, objective)
    if not state.history:
        return "no epoch was finished"
    folder = directory / LAST_GOOD
    if rank() == 0:
        save_networks(objective, folder)
    return f"the weights after epoch {state.history[-1]['epoch']} are in {folder}, its resume point beside it"


def save_networks(objective: Objective, directory: Path) -> None:
    """Write every network of the objective as <name>.safetensors."""
    for name, network in objective.networks().items():
        save_weights(directory / f"{name}.safetensors", network)
