"""One real training step of each kind on made-up recordings, for the benchmark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cmr2ecg.models.classifier import build_encoder, build_predictor
from cmr2ecg.training.device import autocast
from cmr2ecg.training.fit.finetune import optimizer_of, training_view
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

CPU = torch.device("cpu")
RATE = 1e-5
RECORD_SAMPLES = 5000
Settings = Mapping[str, Any]


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
    """Return a training of a kind (flops.step_flops names them) with a batch of so many subjects."""
    torch.manual_seed(0)
    image_size = models["cmr_encoder"]["image_size"] if "cmr_encoder" in models else 0
    make = _finetuning if kind.startswith("finetune_") else _pretraining
    network, optimizer, loss_of = make(kind, models, settings, precision)
    set_rate(optimizer, RATE)
    network.train()
    return Made(network, optimizer, loss_of, recordings(batch, image_size), image_size)


def _pretraining(kind: str, models: Settings, settings: Settings, precision: str) -> tuple:
    kinds = {"mae": MaeObjective, "cmr": CmrSimclrObjective, "mmcl": MmclObjective, **OBJECTIVES}
    objective = kinds[kind](models, settings)

    def loss(batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        prepared = objective.prepare(batch, generator, augment=True)
        with autocast(CPU, precision):
            return objective.loss(*prepared)

    return objective, pretraining_optimizer(objective, settings), loss


def _finetuning(kind: str, models: Settings, settings: Settings, precision: str) -> tuple:
    encoder = {"finetune_ecg": "supervised", "finetune_cnn": "supervised_cnn", "finetune_cmr": "cmr_supervised"}[kind]
    model = build_predictor(build_encoder(encoder, models, settings["drop_path"]), 2, settings["pooling"])

    def loss(batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        inputs = training_view(batch, model, settings, generator)
        with autocast(CPU, precision):
            outputs = model(inputs)
        labels = torch.arange(len(outputs)) % 2
        return nn.functional.cross_entropy(outputs.float(), labels, label_smoothing=settings["label_smoothing"])

    return model, optimizer_of(model, dict(settings)), loss


def resident_bytes() -> float:
    """Return this process's resident memory (Linux; 0 elsewhere)."""
    try:
        with open("/proc/self/statm") as handle:
            return float(handle.read().split()[1]) * 4096
    except OSError:
        return 0.0
