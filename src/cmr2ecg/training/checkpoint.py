"""Weights as safetensors, and resume points that only the run which wrote them takes up again."""

import hashlib
import io
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import explain, one_line
from cmr2ecg.runtime.files import atomic

log = logging.getLogger(__name__)
DIGITS = 64  # of a SHA-256, at the head of a resume point


class NotWritten(InputError):
    """A file could not be written; the message names it and says how to continue."""


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's state as safetensors.

    Raises:
        InputError: if the disk is full or the file cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with _written(path) as partial:
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


def read_weights(weights: Path) -> dict[str, Tensor]:
    """Return the pre-trained weights, read once for all fits.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        return load_file(weights)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{weights}: not a readable safetensors file ({error}); delete it and run again") from error


def save_resume(path: Path, cache_key: str, state: dict) -> None:
    """Write a resume point that carries its cache key and a checksum, or leave the older one as it is.

    Raises:
        InputError: if the disk is full or the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"cache_key": cache_key, **state}, buffer)
    with _written(path) as partial, open(partial, "wb") as handle:
        handle.write(hashlib.sha256(buffer.getbuffer()).hexdigest().encode())
        handle.write(buffer.getbuffer())


def load_resume(path: Path, cache_key: str, device: torch.device) -> dict | None:
    """Return the state saved under the same cache key, or None; a damaged or foreign file is refused with a line.

    The checksum comes first, since torch reads a file with a flipped bit without a word; only then is anything
    decoded, and only tensors and plain values (weights_only).
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    digest, payload = content[:DIGITS], memoryview(content)[DIGITS:]
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        log.warning("%s: damaged (wrong checksum); starting from the first epoch", path.name)
        return None
    try:
        state = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
        found = state["cache_key"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError) as error:
        log.warning("%s: not a resume point (%s); starting from the first epoch", path.name, type(error).__name__)
        return None
    if found != cache_key:
        log.warning("%s: belongs to other settings or inputs; starting from the first epoch", path.name)
        return None
    return state


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Yield an atomic file's temporary path; a disk that takes no more ends in one line."""
    try:
        with atomic(path) as partial:
            yield partial
    except (OSError, SafetensorError) as error:
        said = explain(error) or f"{path}: could not be written ({one_line(error)}); look at the disk and run again"
        raise NotWritten(f"{said}: it resumes from the last finished epoch") from error
