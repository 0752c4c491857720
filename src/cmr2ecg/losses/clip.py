"""CLIP loss between images and signals (paper §III-B, equations 4-6; Radford et al. 2021)."""

import torch
from torch import Tensor
from torch.nn import functional


def clip_loss(z_image: Tensor, z_signal: Tensor, temperature: float, image_weight: float) -> Tensor:
    """Contrast each image with the batch's signals and each signal with the batch's images.

    z_image, z_signal: projections (B, D), row i of both from subject i; normalised to unit length here.
    temperature: tau, above 0. image_weight: lambda of equation 6, the weight of the terms whose anchor is an
    image (equation 5); the rest goes to those whose anchor is a signal (equation 4).
    Returns a float32 scalar, also inside autocast.
    """
    with torch.autocast(z_image.device.type, enabled=False):
        image = functional.normalize(z_image.float(), dim=1)
        signal = functional.normalize(z_signal.float(), dim=1)
        similarity = image @ signal.T / temperature
        pairs = torch.arange(len(image), device=image.device)
        image_loss = functional.cross_entropy(similarity, pairs)
        signal_loss = functional.cross_entropy(similarity.T, pairs)
        return image_weight * image_loss + (1 - image_weight) * signal_loss
