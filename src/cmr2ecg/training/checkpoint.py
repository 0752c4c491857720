"""Weights as safetensors, and resume points that only the run which wrote them takes up again."""

import logging
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from cmr2ecg.command import InputError
from cmr2ecg.files import atomic

log = logging.getLogger(__name__)


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's state as safetensors."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic(path) as partial:
        save_file(state, partial)


def load_weights(path: Path, network: nn.Module) -> None:
    """Load safetensors into a network of the same shape.

    Raises:
        InputError: if the file is damaged or belongs to a network of another size; names the first difference.
    """
    try:
        state = load_file(path)
        network.load_state_dict(state)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}); delete it and run again") from error
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: weights of another network; check config models: {first}") from error


def save_resume(path: Path, owner: str, state: dict) -> None:
    """Write a resume point that carries its owner's digest."""
    with atomic(path) as partial:
        torch.save({"owner": owner, **state}, partial)


def load_resume(path: Path, owner: str, device: torch.device) -> dict | None:
    """Return the state saved under the same owner, or None; a damaged or foreign file is refused with a line."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found = state["owner"]
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        OSError,
    ) as error:
        log.warning("%s: damaged (%s); starting from the first epoch", path.name, type(error).__name__)
        return None
    if found != owner:
        log.warning("%s: belongs to other settings or inputs; starting from the first epoch", path.name)
        return None
    return state
