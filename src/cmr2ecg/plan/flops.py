"""Floating-point operations of each network, counted from its sizes; a multiply and an add are two.

Matrix products and convolutions are counted, as torch.utils.flop_counter does; the tests compare the two. What is left
out (norms, activations, softmax, augmentation, optimiser) is small in operations and takes its time in bytes.
A training step costs three times the forward pass, less the first layer's gradient with respect to its input.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from cmr2ecg.models.ecg_cnn import EcgCnn
from cmr2ecg.models.resnet import cmr_encoder

Sizes = Mapping[str, Any]


def tokens_of(encoder: Sizes) -> int:
    """Return the number of patches of an ECG; the class token comes on top."""
    return encoder["leads"] * (encoder["samples"] // encoder["patch"])


def linear(rows: float, features: int, outputs: int) -> float:
    """Return the operations of a product (rows, features) x (features, outputs)."""
    return 2.0 * rows * features * outputs


def blocks(n: int, dim: int, depth: int, mlp_ratio: float) -> float:
    """Return the operations of transformer blocks over n tokens: queries, keys, values; scores; values; MLP."""
    attention = linear(n, dim, 3 * dim) + 2 * linear(n, dim, n) + linear(n, dim, dim)
    return depth * (attention + 2 * linear(n, dim, int(mlp_ratio * dim)))


def patch_embedding(encoder: Sizes) -> float:
    """Return the operations of cutting an ECG into patches and projecting each."""
    return linear(tokens_of(encoder), encoder["patch"], encoder["dim"])


def ecg_encoder(encoder: Sizes) -> float:
    """Return the operations of one ECG's way through the encoder."""
    whole = blocks(tokens_of(encoder) + 1, encoder["dim"], encoder["depth"], encoder["mlp_ratio"])
    return patch_embedding(encoder) + whole


def masked_autoencoder(encoder: Sizes, decoder: Sizes, mask_ratio: float) -> float:
    """Return the operations of one ECG's way through the masked autoencoder: visible tokens in, all tokens out."""
    n, dim, inner = tokens_of(encoder), encoder["dim"], decoder["dim"]
    seen = int(n * (1 - mask_ratio)) + 1
    encoded = patch_embedding(encoder) + blocks(seen, dim, encoder["depth"], encoder["mlp_ratio"])
    decoded = linear(seen, dim, inner) + blocks(n + 1, inner, decoder["depth"], 4.0)
    return encoded + decoded + linear(n + 1, inner, encoder["patch"])


def attention_pooling(encoder: Sizes) -> float:
    """Return the operations of CLIP's pooling: keys and values of all tokens and their mean, one query."""
    n, dim = tokens_of(encoder) + 1, encoder["dim"]
    return linear(n, dim, 2 * dim) + 2 * linear(1, dim, dim) + 2 * linear(1, dim, n)


def projector(features: int, sizes: Sizes) -> float:
    """Return the operations of a projector of two layers."""
    return linear(1, features, sizes["hidden"]) + linear(1, sizes["hidden"], sizes["out"])


@lru_cache(maxsize=8)
def resnet(name: str, image_size: int, output_stride: int = 32) -> tuple[float, float, int]:
    """Return the operations of one image's way through a timm ResNet, those of its first layer, and its features."""
    with torch.device("meta"):
        network = cmr_encoder(name, image_size, output_stride=output_stride)
        found = convolutions(network, torch.empty(1, 3, image_size, image_size))
    return sum(found), found[0], network.num_features


def ecg_cnn(sizes: Sizes) -> tuple[float, float]:
    """Return the operations of one ECG's way through the convolutional network, and those of its first layer."""
    with torch.device("meta"):
        found = convolutions(EcgCnn(**sizes), torch.empty(1, sizes["leads"], sizes["samples"]))
    return sum(found), found[0]


def convolutions(network: nn.Module, recording: torch.Tensor) -> list[float]:
    """Return the operations of each convolution of a pass, which computes nothing on torch's device "meta".

    It is 2 x output places x output channels x input channels / groups x kernel area.
    """
    found: list[float] = []

    def count(layer: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        found.append(2.0 * output[0].numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size))

    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            layer.register_forward_hook(count)
    network.eval()(recording)
    return found


def training(forward: float, first: float) -> float:
    """Return the operations of forward and backward; the first layer needs no gradient of its input."""
    return 3 * forward - first


def step_flops(kind: str, models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    """Return the operations a training subject costs in one step.

    Args:
        kind: mae, simclr, byol, barlow_twins, clocs, cmr, mmcl, finetune_ecg, finetune_cnn or finetune_cmr.
        models: sizes of the networks. settings: of the method; batch_size, projector, mask_ratio are used.
    """
    return _COUNTS[kind](models, settings)


def forward_flops(kind: str, models: Mapping[str, Sizes]) -> float:
    """Return the operations of a prediction or an embedding of one subject, `kind` as in step_flops."""
    if kind.endswith("cmr"):
        return resnet(**image_network(models))[0]
    if kind.endswith("cnn"):
        return ecg_cnn(models["ecg_cnn"])[0]
    return ecg_encoder(models["ecg_encoder"]) + attention_pooling(models["ecg_encoder"])


def image_network(models: Mapping[str, Sizes]) -> dict[str, Any]:
    """Return the name, image size and output stride of the CMR encoder."""
    return {name: models["cmr_encoder"][name] for name in ("name", "image_size", "output_stride")}


def _mae(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    forward = masked_autoencoder(models["ecg_encoder"], models["mae_decoder"], settings["mask_ratio"])
    return training(forward, patch_embedding(models["ecg_encoder"]))


def _two_views(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    encoder = models["ecg_encoder"]
    forward = 2 * (ecg_encoder(encoder) + projector(encoder["dim"], settings["projector"]))
    similarities = 2 * linear(1, settings["projector"]["out"], 2 * settings["batch_size"])
    return training(forward + similarities, 2 * patch_embedding(encoder))


def _byol(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    encoder, sizes = models["ecg_encoder"], settings["projector"]
    followed = ecg_encoder(encoder) + projector(encoder["dim"], sizes)
    online = followed + projector(sizes["out"], sizes)
    return 2 * (training(online, patch_embedding(encoder)) + followed)


def _barlow_twins(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    encoder, out = models["ecg_encoder"], settings["projector"]["out"]
    forward = 2 * (ecg_encoder(encoder) + projector(encoder["dim"], settings["projector"]))
    return training(forward + linear(1, out, out), 2 * patch_embedding(encoder))


def _cmr(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    forward, first, features = resnet(**image_network(models))
    similarities = 2 * linear(1, settings["projector"]["out"], 2 * settings["batch_size"])
    return training(2 * (forward + projector(features, settings["projector"])) + similarities, 2 * first)


def _mmcl(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    image, first, features = resnet(**image_network(models))
    encoder, sizes = models["ecg_encoder"], models["projector"]
    forward = ecg_encoder(encoder) + projector(encoder["dim"], sizes) + image + projector(features, sizes)
    similarities = linear(1, sizes["out"], settings["batch_size"])
    return training(forward + similarities, patch_embedding(encoder) + first)


def _finetune_ecg(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    encoder = models["ecg_encoder"]
    return training(ecg_encoder(encoder) + attention_pooling(encoder), patch_embedding(encoder))


def _finetune_cnn(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    return training(*ecg_cnn(models["ecg_cnn"]))


def _finetune_cmr(models: Mapping[str, Sizes], settings: Mapping[str, Any]) -> float:
    forward, first, _ = resnet(**image_network(models))
    return training(forward, first)


_COUNTS = {
    "mae": _mae,
    "simclr": _two_views,
    "clocs": _two_views,
    "byol": _byol,
    "barlow_twins": _barlow_twins,
    "cmr": _cmr,
    "mmcl": _mmcl,
    "finetune_ecg": _finetune_ecg,
    "finetune_cnn": _finetune_cnn,
    "finetune_cmr": _finetune_cmr,
}
