"""Validation of a pre-training: the mean loss, the health of the embeddings, and how well pairs find each other."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from cmr2ecg.loading.paired_data import PairedData, in_turn
from cmr2ecg.metrics.retrieval import chance, retrieval
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.device import autocast
from cmr2ecg.training.epoch import seed_epoch, to_device
from cmr2ecg.training.pretrain.health import measure
from cmr2ecg.training.pretrain.objective import Objective

HEALTH_SUBJECTS = 1024  # enough for the measures where embeddings cost a pass of their own
VIEWS = 2**31  # in the place of an epoch's number: masks and views of validation


@torch.no_grad()
def validate(objective: Objective, data: PairedData, settings: dict, precision: str) -> dict[str, float]:
    """Return val_loss over all subjects and the `embedding_measures`; every epoch has the same masks and views.

    One process does it all: call it under `distributed.single_process` where there are several.

    Raises:
        InputError: if there are too few subjects for a loss.
    """
    device = next(objective.parameters()).device
    generator = seed_epoch(settings["seed"], VIEWS, device)
    objective.eval()
    losses: list[float] = []
    sizes: list[int] = []
    features: list[dict[str, Tensor]] = []
    for batch in data.batches(in_turn(len(data), settings["batch_size"])):
        size = len(next(iter(batch.values())))
        if size == 1 and objective.needs_full_batches:
            continue
        prepared = objective.prepare(to_device(batch, device), generator, augment=False)
        with autocast(device, precision):
            loss, embeddings = judge(objective, prepared, want_embeddings=sum(sizes) < HEALTH_SUBJECTS)
        losses.append(float(loss))
        sizes.append(size)
        features.append({name: z.float().cpu() for name, z in embeddings.items()})
    if not losses:
        raise InputError(f"config: {len(data)} validation subjects are too few for a loss; raise split_subjects.val")
    return {"val_loss": float(np.average(losses, weights=sizes)), **embedding_measures(objective, joined(features))}


def judge(
    objective: Objective, prepared: tuple[Tensor, ...], *, want_embeddings: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and the embeddings by name; one pass gives both where the objective has `loss_from`."""
    if objective.loss_from and objective.embeddings:
        embeddings = objective.embeddings(*prepared)
        return objective.loss_from(embeddings), embeddings
    loss = objective.loss(*prepared)
    return loss, objective.embeddings(*prepared) if want_embeddings and objective.embeddings else {}


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Concatenate the batches' embeddings under each name; batches without any add nothing."""
    names = parts[0] if parts else {}
    return {name: torch.cat([part[name] for part in parts if name in part]) for name in names}


def embedding_measures(objective: Objective, features: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the measures of health.py and, where the objective has a `pair`, of retrieval with chance beside them.

    Empty if an embedding is not finite: then the loss is not either, and says so.
    """
    if not features or not all(z.isfinite().all() for z in features.values()):
        return {}
    values = measure(features, objective.pair)
    if objective.pair:
        a, b = (features[name].numpy() for name in objective.pair)
        values |= retrieval(a, b, objective.pair)
        values |= {f"chance_{name}": value for name, value in chance(len(a)).items()}
    return values
