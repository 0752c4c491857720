"""One epoch of training, the same for pre-training and fine-tuning: order, seeds, learning rate, update."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cmr2ecg.command import InputError
from cmr2ecg.data.loading import PairedData
from cmr2ecg.training.optimizer import set_rate
from cmr2ecg.training.schedule import absolute_rate, warmup_cosine


def epoch_order(subjects: int, batch_size: int, seed: int, epoch: int, full_batches: bool) -> np.ndarray:
    """Return a random order of the subjects (n,); an incomplete last batch is left out if `full_batches`."""
    order = np.random.default_rng([seed, epoch]).permutation(subjects)
    return order[: subjects - subjects % batch_size] if full_batches else order


def seed_epoch(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Seed torch's own generator (drop path) and return one for masks and augmentation, the same after a resume."""
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(mixed)
    return torch.Generator(device).manual_seed(mixed)


def train_epoch(
    data: PairedData,
    loss_of: Callable[[dict[str, Tensor], np.ndarray, torch.Generator], Tensor],
    optimizer: torch.optim.Optimizer,
    settings: dict,
    *,
    seed: int,
    epoch: int,
    full_batches: bool,
) -> float:
    """Run one epoch and return the mean training loss.

    Args:
        data: training subjects.
        loss_of: (batch on the training device, its positions in `data`, generator) -> scalar loss.
        optimizer: its groups carry lr_scale.
        settings: batch_size, base_lr, lr_reference_batch, epochs, warmup_fraction.
        seed, epoch: decide order and random numbers.
        full_batches: leave out an incomplete last batch.

    Raises:
        InputError: if the loss is not finite.
    """
    device = optimizer.param_groups[0]["params"][0].device
    size = min(settings["batch_size"], len(data))
    order = epoch_order(len(data), size, seed, epoch, full_batches)
    steps = math.ceil(len(order) / size)
    rate = absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"])
    warmup = settings["warmup_fraction"] * settings["epochs"]
    generator = seed_epoch(seed, epoch, device)
    total = torch.zeros((), device=device)
    for step, batch in enumerate(data.batches(order, size)):
        now = epoch + step / steps
        set_rate(optimizer, warmup_cosine(now, epochs=settings["epochs"], warmup=warmup, rate=rate))
        positions = order[step * size : (step + 1) * size]
        loss = loss_of(to_device(batch, device), positions, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach()
    mean = float(total) / steps
    if not math.isfinite(mean):
        raise InputError(f"the training loss is not finite in epoch {epoch}; lower base_lr or use precision: fp32")
    return mean


def to_device(batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copy a batch to the training device."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
