"""How far a training has come, kept on disk after each epoch and resumed from."""

import copy
import json
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic
from cmr2ecg.training.checkpoint import load_resume, save_resume
from cmr2ecg.training.distributed import from_first

log = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """The finished epochs' metrics and the best of them by validation loss; its weights only where they are wanted."""

    history: list[dict] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = math.inf
    best_state: dict[str, Tensor] | None = None

    def add(self, row: dict, objective: nn.Module, *, keep_best: bool) -> None:
        """Count a finished epoch."""
        self.history.append(row)
        if row["val_loss"] < self.best_loss:
            self.best_epoch, self.best_loss = row["epoch"], row["val_loss"]
            self.best_state = snapshot(objective) if keep_best else None


def snapshot(objective: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights."""
    return {name: value.detach().clone() for name, value in objective.state_dict().items()}


def keep(
    path: Path, cache_key: str, objective: nn.Module, optimizer: torch.optim.Optimizer, state: TrainingState
) -> None:
    """Write all that a later process needs to resume from the last finished epoch."""
    saved = {
        "objective": objective.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": copy.deepcopy(state.history),
        "best_epoch": state.best_epoch,
        "best_loss": state.best_loss,
        "best_state": state.best_state,
    }
    save_resume(path, cache_key, saved)


def resume(
    path: Path, cache_key: str, objective: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> TrainingState:
    """Load a resume point into objective and optimizer and return its state, or a fresh one.

    Raises:
        InputError: if the processes of one training read different resume points.
    """
    saved = load_resume(path, cache_key, next(objective.parameters()).device)
    state = TrainingState()
    if saved is not None:
        objective.load_state_dict(saved["objective"])
        state = TrainingState(saved["history"], saved["best_epoch"], saved["best_loss"], saved["best_state"])
    if saved is not None and optimizer is not None:
        optimizer.load_state_dict(saved["optimizer"])
        log.info("resuming after epoch %d", len(state.history))
    if from_first(len(state.history)) != len(state.history):
        raise InputError(f"{path}: the processes read different resume points; is the folder shared by all of them?")
    return state


def write_history(path: Path, history: list[dict]) -> None:
    """Write one JSON object a line."""
    with atomic(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in history))
