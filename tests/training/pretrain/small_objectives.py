"""Every pre-training objective at a size that trains in a second, shared by the tests of the loop and of processes."""

from typing import Any

import torch
from paper_settings import paper_settings
from torch import nn

from cmr2ecg.training.pretrain.contrastive import OBJECTIVES as BASELINES
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

PAPER = paper_settings()["pretrain"]
PAPER |= PAPER.pop("contrastive")
OBJECTIVES = {"mae": MaeObjective, "cmr": CmrSimclrObjective, "mmcl": MmclObjective, **BASELINES}
SMALL = {
    "mae": {"mask_ratio": 0.6, "ncc_weight": 0.1},
    "mmcl": {},
    **{name: {"projector": {"hidden": 16, "out": 8}} for name in ("cmr", *BASELINES)},
}


def small_settings(name: str, epochs: int = 3) -> dict[str, Any]:
    """Return the paper's settings of a method with a batch, a rate and layers for 24 training subjects."""
    common = {
        "seed": 0,
        "epochs": epochs,
        "batch_size": 12,
        "base_lr": 1e-3,
        "lr_reference_batch": 12,
        "weight_decay": 0.01,
    }
    return {**PAPER[name], **common, **SMALL[name]}


def small_objective(name: str, models: dict, epochs: int = 3) -> tuple[nn.Module, dict]:
    """Return an objective, always with the same initial weights, and its settings."""
    settings = small_settings(name, epochs)
    torch.manual_seed(0)
    return OBJECTIVES[name](models, settings), settings
