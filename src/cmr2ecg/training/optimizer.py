"""AdamW with layer-wise learning rates (biases, norms, position embeddings without decay), and Adam with L2.

The learning rate: a linear warm-up, then half a cosine to zero (paper §IV-C.2).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn


def absolute_rate(base_lr: float, batch_size: int, reference_batch: int) -> float:
    """Return base_lr x batch_size / reference_batch (linear scaling; the authors' reference is 4, MAE's 256)."""
    return base_lr * batch_size / reference_batch


def warmup_cosine(epoch: float, *, epochs: float, warmup: float, rate: float, minimum: float = 0.0) -> float:
    """Return the learning rate at a fractional epoch.

    Args:
        epoch: epochs done so far, counting parts of one.
        epochs: length of the training.
        warmup: epochs of linear rise from 0 to `rate`.
        rate: the peak.
        minimum: where the cosine ends.
    """
    if epoch < warmup:
        return rate * epoch / warmup
    progress = (epoch - warmup) / (epochs - warmup)
    return minimum + (rate - minimum) * 0.5 * (1.0 + math.cos(math.pi * progress))


def parameter_groups(
    model: nn.Module,
    weight_decay: float,
    layer_decay: float = 1.0,
    layer_of: Callable[[str], int] | None = None,
) -> list[dict]:
    """Sort the trainable parameters into AdamW groups, as few as there are pairs of rate and weight decay.

    Args:
        model: its trainable parameters each land in exactly one group.
        weight_decay: for matrices; one-dimensional parameters, the class token and position embeddings get 0.
        layer_decay: the rate of layer l of L is scaled by layer_decay ** (L - l).
        layer_of: layer number of a parameter name; None puts everything in one layer.

    Returns:
        groups with "params", "weight_decay" and "lr_scale".
    """
    named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    layers = {name: layer_of(name) if layer_of else 0 for name, _ in named}
    deepest = max(layers.values())
    groups: dict[tuple[float, bool], dict] = {}
    for name, value in named:
        plain = value.ndim <= 1 or name.endswith(("cls_token", "pos_embed"))
        scale = layer_decay ** (deepest - layers[name])
        empty = {"params": [], "weight_decay": 0.0 if plain else weight_decay, "lr_scale": scale}
        groups.setdefault((scale, plain), empty)["params"].append(value)
    return list(groups.values())


def adamw(groups: list[dict], rate: float, betas: Sequence[float]) -> torch.optim.AdamW:
    """Return AdamW over `groups`; its fused form updates all tensors in one call on CPU and GPU."""
    first, second = betas
    return torch.optim.AdamW(groups, lr=rate, betas=(first, second), fused=True)


def pretraining_optimizer(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Return the optimiser of a pre-training at rate 0: settings["optimizer"], weight_decay and betas.

    "adamw" (also when absent; the paper's) decays matrices only and apart from the gradient. "adam_l2" (the authors'
    MMCL) adds weight_decay x value to the gradient of every parameter, biases and norms too.
    """
    kind = settings.get("optimizer", "adamw")
    if kind == "adamw":
        return adamw(parameter_groups(model, settings["weight_decay"]), 0.0, settings["betas"])
    if kind != "adam_l2":
        raise ValueError(f"optimizer is {kind!r}; expected adamw or adam_l2")
    parameters = [value for value in model.parameters() if value.requires_grad]
    group = {"params": parameters, "weight_decay": settings["weight_decay"], "lr_scale": 1.0}
    return torch.optim.Adam([group], lr=0.0, betas=tuple(settings["betas"]), fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the learning rate `rate` times its lr_scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
