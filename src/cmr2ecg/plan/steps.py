"""What one process of the benchmark does: real training steps of each kind on made-up recordings, and `data_rates`.

python -m cmr2ecg.plan.steps SPECIFICATION OUTPUT        both JSON; plan.measure starts it
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cmr2ecg.models.classifier import build_encoder, build_predictor
from cmr2ecg.plan import data_rates
from cmr2ecg.plan.measure import Line, since_start, timed
from cmr2ecg.training.device import autocast, pick_attention, pick_precision
from cmr2ecg.training.fit.finetune import optimizer_of, training_view
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.objective import Objective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

SMALL_BATCH, STEP_SECONDS, KIND_SECONDS = 4, 0.3, 1.5  # smaller batch; aimed at for the larger; spent on a training
DATA_SECONDS = 4.0
CPU = torch.device("cpu")
RATE = 1e-5
RECORD_SAMPLES = 5000
OBJECTIVE_OF: dict[str, Callable[..., Objective]] = {
    **{"mae": MaeObjective, "cmr": CmrSimclrObjective, "mmcl": MmclObjective},
    **OBJECTIVES,
}
FITTED = {"finetune_ecg": "supervised", "finetune_cnn": "supervised_cnn", "finetune_cmr": "cmr_supervised"}
Settings = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what a specification names and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args(argv)
    spec = json.loads(args.spec.read_text())
    started, threads = since_start(), spec["threads"]
    torch.set_num_threads(threads)
    precision = pick_precision(spec["precision"], CPU)
    pick_attention(CPU, precision)
    found = {"precision": precision, "start_seconds": started, "base_bytes": resident_bytes()}
    found["trainings"] = {
        kind: asdict(line_of(partial(build, kind, models, settings, precision=precision), settings, threads))
        for kind, (models, settings) in spec["kinds"].items()
    }
    args.output.write_text(json.dumps(found | data_rates.measure(spec, DATA_SECONDS)))


def line_of(build: Callable[[int], "Made"], settings: Settings, threads: int = 1) -> Line:
    """Return the cost of a training step from steps at two batch sizes.

    build: batch size -> a training.
    """
    small = min(SMALL_BATCH, settings["batch_size"])
    made = build(small)
    operations = made.operations()  # which warms up too
    one = timed(made.step, threads)
    large = max(2 * small, min(settings["batch_size"], int(small * STEP_SECONDS / one)))
    big = made.with_batch(large)
    big.step()
    times: dict[int, list[float]] = {small: [], large: []}
    began = time.perf_counter()
    while len(times[large]) < 3 or (time.perf_counter() - began < KIND_SECONDS and len(times[large]) < 9):
        times[small].append(timed(made.step, threads))
        times[large].append(timed(big.step, threads))
        if time.perf_counter() - began > 2 * KIND_SECONDS and len(times[large]) > 1:
            break
    a, b = median(times[small]), median(times[large])
    per_subject = (b - a) / (large - small)
    if not 0 < per_subject <= b / large:  # noise: all of it is the subjects'
        per_subject = b / large
    spread = (max(times[large]) - min(times[large])) / 2 / b
    return Line(b - large * per_subject, per_subject, spread, made.saved_bytes(), made.parameters, operations)


@dataclass(frozen=True)
class Made:
    """A network, its optimiser and a batch; `loss_of(batch, generator)` is a forward pass from the recordings on."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    loss_of: Callable[[dict[str, Tensor], torch.Generator], Tensor]
    batch: dict[str, Tensor]
    image_size: int

    def step(self) -> None:
        """Run one training step."""
        loss = self.loss_of(self.batch, torch.Generator().manual_seed(0))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if after_step := getattr(self.network, "after_step", None):
            after_step(0.5)

    def with_batch(self, size: int) -> "Made":
        """Return the same with so many subjects."""
        return replace(self, batch=recordings(size, self.image_size))

    def operations(self) -> float:
        """Run a step and return the floating-point operations it takes a subject; a multiply and an add are two.

        Matrix products and convolutions are counted, forward and backward. Attention is computed by plain products, as
        torch counts none of its fused ones on a CPU. Losses that compare all pairs of a batch are counted for this
        batch: of the paper's pre-trainings they are less than 0.02 %.
        """
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            self.step()
        return counter.get_total_flops() / len(self.batch["ecg"])

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return sum(value.numel() for value in self.network.parameters() if value.requires_grad)

    def saved_bytes(self) -> float:
        """Return the bytes of what a forward pass keeps for the backward one, a subject, weights left out."""
        weights = {value.untyped_storage().data_ptr() for value in self.network.parameters()}
        kept: dict[int, int] = {}

        def pack(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            loss = self.loss_of(self.batch, torch.Generator().manual_seed(0))
        del loss
        return sum(kept.values()) / len(next(iter(self.batch.values())))


def recordings(size: int, image_size: int) -> dict[str, Tensor]:
    """Return records and images in the shapes that the loader gives."""
    images = torch.rand(size, 3, image_size, image_size).half() if image_size else torch.zeros(size, 0)
    return {"ecg": torch.randn(size, 12, RECORD_SAMPLES), "cmr": images}


def build(kind: str, models: Settings, settings: Settings, batch: int, precision: str) -> Made:
    """Return a training with a batch of so many subjects.

    Args:
        kind: a key of OBJECTIVE_OF or FITTED.
        models: sizes of the networks. settings: of the method.
        batch: subjects. precision: bf16 or fp32.
    """
    torch.manual_seed(0)
    image_size = models["cmr_encoder"]["image_size"] if "cmr_encoder" in models else 0
    make = _finetuning if kind in FITTED else _pretraining
    network, optimizer, loss_of = make(kind, models, settings, precision)
    set_rate(optimizer, RATE)
    network.train()
    return Made(network, optimizer, loss_of, recordings(batch, image_size), image_size)


def _pretraining(kind: str, models: Settings, settings: Settings, precision: str) -> tuple:
    objective = OBJECTIVE_OF[kind](models, settings)

    def loss(batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        prepared = objective.prepare(batch, generator, augment=True)
        with autocast(CPU, precision):
            return objective.loss(*prepared)

    return objective, pretraining_optimizer(objective, settings), loss


def _finetuning(kind: str, models: Settings, settings: Settings, precision: str) -> tuple:
    model = build_predictor(build_encoder(FITTED[kind], models, settings["drop_path"]), 2, settings["pooling"])

    def loss(batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        inputs = training_view(batch, model, settings, generator)
        with autocast(CPU, precision):
            outputs = model(inputs)
        labels = torch.arange(len(outputs)) % 2
        return nn.functional.cross_entropy(outputs.float(), labels, label_smoothing=settings["label_smoothing"])

    return model, optimizer_of(model, settings), loss


def operations_of(kind: str, models: Settings, settings: Settings) -> float:
    """Return the operations of a subject's part of a step that is not measured, as Made.operations."""
    return build(kind, models, settings, 2, "fp32").operations()


def resident_bytes() -> float:
    """Return this process's resident memory (Linux; 0 elsewhere)."""
    try:
        with open("/proc/self/statm") as handle:
            return float(handle.read().split()[1]) * 4096
    except OSError:
        return 0.0


if __name__ == "__main__":
    main()
