"""One training in several processes, started by torchrun: who is who, embeddings gathered, gradients averaged.

What makes W processes equal one: each takes an equal slice of every global batch and the random numbers that its rows
would have in one process, a loss is either the mean over the slice or a function of gathered embeddings, and parameter
gradients are averaged over the processes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cmr2ecg.runtime.command import InputError

PATIENCE = timedelta(minutes=30)  # the others wait while the first validates and writes; torchrun ends them at once
# where one dies

Batch = TypeVar("Batch", np.ndarray, Tensor, range)
_single = ContextVar("single process", default=False)
# Of the present batch: subjects over all processes, and which are here
_batch: ContextVar[tuple[int, range]] = ContextVar("batch", default=(0, range(0)))


def world() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() and not _single.get() else 1


def rank() -> int:
    """Return this process's number among them, from 0."""
    return dist.get_rank() if dist.is_initialized() and not _single.get() else 0


@contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started (WORLD_SIZE above 1): NCCL on GPUs, Gloo on processors."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        check_gpus(torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"]))
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def check_gpus(found: int, wanted: int) -> None:
    """Raise InputError if there are fewer GPUs than processes on this machine."""
    if found < wanted:
        raise InputError(f"config: {wanted} processes want a GPU each, but there are {found}; lower processes.pretrain")


@contextmanager
def single_process() -> Iterator[None]:
    """Make this process one of one within the block, so that nothing in it talks to the others."""
    token = _single.set(True)
    try:
        yield
    finally:
        _single.reset(token)


def slice_of(batch: Batch, here: int, count: int) -> Batch:
    """Return the part of a global batch that process `here` of `count` takes, in rank order, equal to one subject."""
    return batch[len(batch) * here // count : len(batch) * (here + 1) // count]


class _Gather(torch.autograd.Function):
    """Concatenate over the processes; backward sums what every process says about this process's rows."""

    @staticmethod
    def forward(context: Any, z: Tensor) -> Tensor:
        context.rows = len(z)
        parts = [torch.empty_like(z) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        start = dist.get_rank() * context.rows
        return total[start : start + context.rows]


def gather(z: Tensor) -> Tensor:
    """Return the embeddings (W x B, ...) of all W processes in rank order, with gradient; `z` (B, ...) if W is 1.

    Every process must pass the same shape. The gradient that comes back is W times that of one process with the whole
    batch, since every process holds the whole loss; `average_gradients` divides by W.
    """
    return z if world() == 1 else _Gather.apply(z)


class _Sum(torch.autograd.Function):
    """Add over the processes, forwards and backwards."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message; nothing happens in one process."""
    if world() == 1:
        return
    gradients = [value.grad for value in parameters if value.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world()
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def average(values: Tensor) -> Tensor:
    """Return the mean of `values` over the processes."""
    if world() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / world()


def from_first(value: Any) -> Any:
    """Return the first process's value (plain Python, small) in every process; the others wait for it."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


class SyncedBatchNorm(_BatchNorm):
    """BatchNorm whose training statistics cover the batches of all processes.

    torch's SyncBatchNorm does the same on GPUs only. State and names are those of BatchNorm1d and 2d.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept (batch, channels, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (batch, channels, ...) in fp32; the variance is about the common mean, as in one process."""
        if world() == 1 or not self.training:
            return super().forward(input)
        x = input.float()
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = x.numel() // x.shape[1] * world()
        mean = _Sum.apply(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count
        self._update(mean.detach(), variance.detach() * count / (count - 1))
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        for running, here in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(here, share)


class SharedDropPath(DropPath):
    """Drop path that draws for the rows of all processes, seeded alike, and takes those that `take_rows` named.

    The rows of a batch may be several views of the same subjects, stacked.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop whole rows of (rows, ...), as one process would with the whole batch."""
        if world() == 1 or not self.training or self.drop_prob == 0:
            return super().forward(x)
        total, mine = _batch.get()
        keep, views = 1 - self.drop_prob, len(x) // len(mine)
        kept = x.new_empty((views, total)).bernoulli_(keep)[:, mine.start : mine.stop].reshape(-1)
        return x * kept.div_(keep).view(-1, *[1] * (x.ndim - 1))


def take_rows(total: int) -> range:
    """Note how many subjects the batch that follows has over all processes; return this process's places in it."""
    mine = slice_of(range(total), rank(), world())
    _batch.set((total, mine))
    return mine


def synchronise(module: nn.Module) -> nn.Module:
    """Replace every BatchNorm and DropPath in `module` by one that knows of all processes; parameters stay the same."""
    if isinstance(module, _BatchNorm) and not isinstance(module, SyncedBatchNorm):
        synced = SyncedBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        synced._parameters, synced._buffers = module._parameters, module._buffers
        return synced.train(module.training)
    if type(module) is DropPath:
        return SharedDropPath(module.drop_prob, module.scale_by_keep).train(module.training)
    for name, child in module.named_children():
        setattr(module, name, synchronise(child))
    return module
