"""Started by torchrun: print, as JSON, how far the processes together are from one process with the whole batch.

For every objective the first process reports loss (one process, several, and the mean of the slices each on its own),
the largest error of gradients and buffers relative to the largest value of the same tensor, and of what is drawn (masks
and augmentation). Drop path is on.
"""

import copy
import json
import sys
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from training.pretrain.small_objectives import OBJECTIVES, small_objective

from cmr2ecg.training.distributed import (
    average,
    average_gradients,
    processes,
    rank,
    single_process,
    slice_of,
    synchronise,
    take_rows,
    world,
)
from cmr2ecg.training.epoch import shared

BATCH = 12
SMALLEST = 1e-3  # of the largest gradient: below is rounding, as for a bias ahead of a BatchNorm, whose gradient is 0


def main() -> None:
    models = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    with processes(torch.device("cpu")):
        found = {name: compare(*small_objective(name, models)) for name in OBJECTIVES}
        if rank() == 0:
            sys.stdout.write(json.dumps({"world": world(), "found": found}) + "\n")


def compare(objective: nn.Module, settings: dict) -> dict[str, float]:
    generator = torch.Generator().manual_seed(1)
    batch = {
        "ecg": torch.randn(BATCH, 12, 5000, generator=generator),
        "cmr": torch.rand(BATCH, 3, 32, 32, generator=generator),
    }
    with single_process():
        prepared = objective.prepare(batch, shared(generator.manual_seed(2), BATCH), augment=True)
    own = {name: slice_of(value, rank(), world()) for name, value in batch.items()}
    mine = objective.prepare(own, shared(generator.manual_seed(2), BATCH), augment=True)
    wanted = [own_part(value) for value in prepared]
    together, separate = copy.deepcopy(objective), copy.deepcopy(objective)
    with single_process():
        whole_loss = step(objective, prepared)
        separate_loss = step(separate, wanted)
    synchronise(together)
    take_rows(BATCH)
    loss = average(step(together, wanted))
    average_gradients(list(together.parameters()))
    return {
        "whole": float(whole_loss),
        "together": float(loss),
        "separate": float(average(separate_loss)),
        "drawn_error": float(average(max((a - b).abs().max() for a, b in zip(mine, wanted, strict=True)))),
        "gradient_error": largest_error(gradients(objective), gradients(together)),
        "separate_gradient_error": largest_error(gradients(objective), gradients(separate)),
        "buffer_error": largest_error(dict(objective.named_buffers()), dict(together.named_buffers())),
    }


def step(objective: nn.Module, prepared: Iterable[Tensor]) -> Tensor:
    torch.manual_seed(3)  # drop path
    loss = objective.train().loss(*prepared)
    loss.backward()
    return loss.detach()


def own_part(value: Tensor) -> Tensor:
    """Return this process's rows; several views of the batch may be stacked."""
    views = value.split(BATCH)
    return torch.cat([slice_of(view, rank(), world()) for view in views])


def gradients(objective: nn.Module) -> dict[str, Tensor]:
    return {name: value.grad for name, value in objective.named_parameters() if value.grad is not None}


def largest_error(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> float:
    assert wanted.keys() == found.keys()
    if not wanted:
        return 0.0
    floor = SMALLEST * max(float(value.abs().max()) for value in wanted.values())
    errors = [(wanted[key] - found[key]).abs().max() / wanted[key].abs().max().clamp(min=floor) for key in wanted]
    return float(max(errors))


main()
