"""Fine-tuning: every weight of an encoder on a balanced subset, stopped on the validation AUROC (paper §IV-C.2)."""

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.data.loading import PairedData
from cmr2ecg.evaluate.auroc import auroc
from cmr2ecg.models.classifier import EcgPredictor, layer_of
from cmr2ecg.training import epoch as epochs
from cmr2ecg.training.device import autocast
from cmr2ecg.training.optimizer import adamw, parameter_groups

log = logging.getLogger(__name__)
EVALUATION_BATCH = 256


@dataclass
class Labelled:
    """ECGs of the subjects `eids` (n,) with their binary labels (n,) int64."""

    data: PairedData
    eids: np.ndarray
    labels: np.ndarray


@dataclass
class Fit:
    """One seed's outcome: the model at its best epoch and the metrics of every epoch."""

    model: EcgPredictor
    history: list[dict]
    best_epoch: int
    best_auroc: float


def probabilities(model: EcgPredictor, data: PairedData, precision: str) -> np.ndarray:
    """Return the probability of the positive class (n,) from the first samples of each record."""
    device = next(model.parameters()).device
    model.eval()
    parts = []
    with torch.inference_mode():
        for batch in data.batches(np.arange(len(data)), EVALUATION_BATCH):
            ecg = batch["ecg"][..., : model.encoder.samples].to(device)
            with autocast(device, precision):
                logits = model(ecg)
            parts.append(logits.float().softmax(dim=1)[:, 1].cpu())
    return torch.cat(parts).double().numpy()


def train_epoch(
    model: EcgPredictor, train: Labelled, optimizer, settings: dict, seed: int, epoch: int, precision: str
) -> float:
    """Run one epoch of cross-entropy with label smoothing and return the mean loss."""
    device = next(model.parameters()).device
    all_labels = torch.tensor(train.labels)

    def loss_of(batch: dict[str, Tensor], positions: np.ndarray, generator: torch.Generator) -> Tensor:
        ecg = training_view(batch["ecg"], model.encoder.samples, settings, generator)
        with autocast(device, precision):
            logits = model(ecg)
        labels = all_labels[positions].to(device)
        return cross_entropy(logits.float(), labels, label_smoothing=settings["label_smoothing"])

    model.train()
    return epochs.train_epoch(train.data, loss_of, optimizer, settings, seed=seed, epoch=epoch, full_batches=False)


def training_view(ecg: Tensor, samples: int, settings: dict, generator: torch.Generator) -> Tensor:
    """Return augmented inputs (batch, 12, samples): a random crop (authors) or the first samples (paper)."""
    crop = random_crop(ecg, samples, generator) if settings["random_crop"] else ecg[..., :samples]
    return augment_ecg(crop, settings["augment"], generator)


def finetune(model: EcgPredictor, train: Labelled, val: Labelled, settings: dict, *, seed: int, precision: str) -> Fit:
    """Train until the validation AUROC has not risen for settings["patience"] epochs; the best weights are restored."""
    depth = len(model.encoder.blocks)
    groups = parameter_groups(
        model, settings["weight_decay"], settings["layer_decay"], lambda name: layer_of(name, depth)
    )
    optimizer = adamw(groups, 0.0, settings["betas"])
    history: list[dict] = []
    best_epoch, best_auroc, best_state = -1, -math.inf, {}
    for epoch in range(settings["epochs"]):
        train_loss = train_epoch(model, train, optimizer, settings, seed, epoch, precision)
        score = auroc(val.labels, probabilities(model, val.data, precision))
        history.append({"seed": seed, "epoch": epoch, "train_loss": train_loss, "val_auroc": score})
        if score > best_auroc:
            best_epoch, best_auroc = epoch, score
            best_state = copy_state(model)
        if epoch - best_epoch >= settings["patience"]:
            break
    model.load_state_dict(best_state)
    return Fit(model, history, best_epoch, best_auroc)


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
