"""Similarity maps between an ECG and an image in the space both are projected to (paper §III-C).

Image side: every local feature of the ResNet goes through the image projector and is compared with the projected ECG.
ECG side, which the paper does not have: every encoded patch of the ECG goes through the ECG projector and is compared
with the projected image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from cmr2ecg.loading.paired_data import PairedData, in_turn
from cmr2ecg.models.projector import projector
from cmr2ecg.models.resnet import cmr_encoder, feature_map
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.checkpoint import load_weights


@dataclass(frozen=True)
class Towers:
    """The four networks of multimodal contrastive learning, in evaluation mode; named as their files."""

    encoder: EcgEncoder
    projector: nn.Module
    image_encoder: ResNet
    image_projector: nn.Module

    @property
    def image_size(self) -> int:
        """Pixels a side that images are resized to before they reach the encoder."""
        return self.image_encoder.image_size  # type: ignore[return-value]  # nn.Module's hint has tensors and modules only


def build_towers(models: Mapping[str, Any]) -> Towers:
    """Return untrained networks; models: the config's ecg_encoder, cmr_encoder and projector."""
    ecg, image = EcgEncoder(**models["ecg_encoder"]), cmr_encoder(**models["cmr_encoder"])
    heads = [projector(width, **models["projector"]).eval() for width in (ecg.embed_dim, image.num_features)]
    return Towers(ecg.eval(), heads[0], image.eval(), heads[1])


def load_towers(files: Sequence[Path], models: Mapping[str, Any]) -> Towers:
    """Return the networks that pretrain_mmcl wrote to encoder.safetensors, image_encoder.safetensors and so on.

    Raises InputError if a file is damaged or belongs to a network of another size.
    """
    towers = build_towers(models)
    for path in files:
        load_weights(path, getattr(towers, path.stem))
    return towers


@torch.inference_mode()
def project_ecg(towers: Towers, ecg: Tensor) -> Tensor:
    """Return unit vectors z_s (n, out) of ECGs (n, leads, >= samples), of which the first samples are taken."""
    return normalize(towers.projector(towers.encoder(ecg[..., : towers.encoder.samples])), dim=-1)


@torch.inference_mode()
def project_image(towers: Towers, images: Tensor) -> Tensor:
    """Return unit vectors z_i (n, out) of images (n, 3, size, size)."""
    return normalize(towers.image_projector(towers.image_encoder(images)), dim=-1)


@torch.inference_mode()
def project_regions(towers: Towers, images: Tensor, upsample: int = 1) -> Tensor:
    """Return unit vectors (n, height, width, out) of each place of the image encoder's last feature map.

    Args:
        towers: networks.
        images: (n, 3, size, size).
        upsample: the feature map is enlarged this many times, bilinearly, before it is projected. The paper projects
            the features themselves (1); the authors' code enlarges them twofold.
    """
    return _project_places(towers, feature_map(towers.image_encoder, images), upsample)


def _project_places(towers: Towers, features: Tensor, upsample: int) -> Tensor:
    if upsample > 1:
        features = interpolate(features, scale_factor=upsample, mode="bilinear", align_corners=False)
    return normalize(towers.image_projector(features.permute(0, 2, 3, 1)), dim=-1)


@torch.inference_mode()
def project_patches(towers: Towers, ecg: Tensor) -> Tensor:
    """Return unit vectors (n, leads, times, out) of each encoded patch of ECGs (n, leads, >= samples)."""
    encoder = towers.encoder
    tokens = encoder.norm(encoder.forward_patches(ecg[..., : encoder.samples]))
    return normalize(towers.projector(tokens), dim=-1).unflatten(1, encoder.grid)


def similarity(local: Tensor, whole: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the cosine similarity (n, a, b) of local (n, a, b, out) with whole (n, out) unit vectors.

    The authors divide by 0.6, so that values beyond 1 are possible; the paper's form is `temperature` 1.
    """
    return torch.einsum("nabd,nd->nab", local, whole) / temperature


@torch.inference_mode()
def embed(
    towers: Towers, data: PairedData, mapped: NDArray[np.bool_], upsample: int, batch: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return regions (those mapped, height, width, out), ECGs z_s and images z_i (n, out) of `data`, float32.

    An image goes through its encoder once. mapped: (n,), of whom the regions are wanted, which fill the memory.
    """
    regions, signals, images = [], [], []
    pieces = in_turn(len(data), batch)
    for rows, part in zip(pieces, data.batches(pieces), strict=True):
        features = feature_map(towers.image_encoder, part["cmr"].float())
        regions.append(_project_places(towers, features[torch.from_numpy(mapped[rows])], upsample).numpy())
        images.append(normalize(towers.image_projector(towers.image_encoder.forward_head(features)), dim=-1).numpy())
        signals.append(project_ecg(towers, part["ecg"]).numpy())
    return np.concatenate(regions), np.concatenate(signals), np.concatenate(images)
