"""One epoch of training, the same for pre-training and fine-tuning: order, seeds, learning rate, update."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cmr2ecg.augment.draw import Generator, SharedGenerator
from cmr2ecg.loading.paired_data import PairedData, View
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.distributed import average, average_gradients, rank, slice_of, take_rows, world
from cmr2ecg.training.optimizer import absolute_rate, set_rate, warmup_cosine

CHECK_EVERY = 50  # steps between looks at the losses: reading one makes a GPU wait


class NotFinite(InputError):
    """A loss is infinite or not a number; the message names epoch and step."""


def steps_in_epoch(subjects: int, batch_size: int, *, full_batches: bool) -> int:
    """Return the number of optimiser steps of an epoch in a single process."""
    size = min(batch_size, subjects)
    return subjects // size if full_batches else -(-subjects // size)


def epoch_batches(subjects: int, batch_size: int, seed: int, epoch: int, full_batches: bool) -> list[np.ndarray]:
    """Return the positions of each batch of an epoch, over all processes, in random order.

    A batch counts as one step whatever its size, so they are as equal as can be: of 162 subjects and a batch size of 32
    come six batches of 27, not five of 32 and one of 2. With `full_batches` each has exactly `batch_size` subjects, as
    losses that compare the subjects of a batch want it, and what is left over waits for another epoch.

    Raises:
        InputError: if there are fewer subjects than processes.
    """
    size = min(batch_size, subjects)
    size -= size % world()
    if size == 0:
        raise InputError(f"config: {subjects} training subjects are too few; lower processes.pretrain ({world()})")
    order = np.random.default_rng([seed, epoch]).permutation(subjects)
    steps = steps_in_epoch(subjects, size, full_batches=full_batches)
    if full_batches:
        order = order[: steps * size]
    return np.array_split(order, min(steps, subjects // world()))  # so that every process has a subject of each


def seed_epoch(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Seed torch's own generator (drop path) and return one for masks and augmentation, the same after a resume.

    All processes of a training are seeded alike: each draws for the whole batch and takes what its rows have.
    """
    mixed = int(np.random.SeedSequence([seed, epoch, 0]).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(mixed)
    return torch.Generator(device).manual_seed(mixed)


def shared(generator: torch.Generator, total: int) -> Generator:
    """Return what draws for this process's rows of a batch of `total`; the generator itself in a single process."""
    mine = take_rows(total)
    return generator if world() == 1 else SharedGenerator(generator, total, torch.arange(mine.start, mine.stop))


def train_epoch(
    data: PairedData | View,
    loss_of: Callable[[dict[str, Tensor], np.ndarray, Generator], Tensor],
    optimizer: torch.optim.Optimizer,
    settings: dict,
    *,
    seed: int,
    epoch: int,
    full_batches: bool,
    after_step: Callable[[float], None] | None = None,
) -> float:
    """Run one epoch and return the mean training loss over all processes.

    Args:
        data: training subjects.
        loss_of: (batch on the training device, its positions in `data`, generator) -> scalar loss.
        optimizer: its groups carry lr_scale.
        settings: batch_size (of all processes together), base_lr, lr_reference_batch, epochs, warmup_fraction.
        seed, epoch: decide order and random numbers.
        full_batches: as of `epoch_batches`.
        after_step: called after each update with the share of the whole training that is done.

    Raises:
        NotFinite: if a loss is not finite.
    """
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    device = parameters[0].device
    batches = epoch_batches(len(data), settings["batch_size"], seed, epoch, full_batches)
    mine, steps = [slice_of(batch, rank(), world()) for batch in batches], len(batches)
    rate = absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"])
    warmup = settings["warmup_fraction"] * settings["epochs"]
    generator = seed_epoch(seed, epoch, device)
    losses = torch.zeros(steps, device=device)
    for step, batch in enumerate(data.batches(mine)):
        now = epoch + step / steps
        set_rate(optimizer, warmup_cosine(now, epochs=settings["epochs"], warmup=warmup, rate=rate))
        total = len(batches[step])
        loss = loss_of(to_device(batch, device), mine[step], shared(generator, total))
        loss = loss * (len(mine[step]) * world() / total)  # 1, unless the slices of a batch differ by one
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(parameters)
        optimizer.step()
        losses[step] = loss.detach()
        if after_step:
            after_step((epoch + (step + 1) / steps) / settings["epochs"])
        if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
            check_finite(average(losses[: step + 1]), epoch)
    return mean_loss(average(losses))


def check_finite(losses: Tensor, epoch: int) -> None:
    """Raise NotFinite with the first step whose loss (steps,) is not finite."""
    wrong = (~losses.isfinite()).nonzero()
    if len(wrong):
        raise NotFinite(
            f"the training loss is not finite in epoch {epoch}, step {int(wrong[0])}; "
            "lower base_lr or use precision: fp32"
        )


def mean_loss(losses: Tensor) -> float:
    """Return the mean of (steps,) losses, added one after the other in fp32."""
    total = torch.zeros(())
    for loss in losses.cpu():
        total += loss
    return float(total) / len(losses)


def to_device(batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copy a batch to the training device."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
