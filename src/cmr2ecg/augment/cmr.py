"""Augmentations of three-phase cardiac MR images, on whole batches and on the batch's device (paper §IV-C.2).

Flip, rotation and crop are one affine map a sample, so each pixel is interpolated once; colour jitter follows.
kornia's batched augmentations draw from torch's global generator, so these are written on torch alone.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cmr2ecg.augment.draw import Generator, in_pieces, on_share, uniform

CROP_RATIO = (3 / 4, 4 / 3)  # width to height, torchvision's default for a random resized crop
CROP_TRIES = 10  # proposals a sample; the first that fits is taken
GREY = (0.2989, 0.587, 0.114)  # torchvision's weights of the three channels in a grey image


def augment_cmr(x: Tensor, settings: Mapping[str, Any], generator: Generator, probability: float = 1.0) -> Tensor:
    """Flip, rotate, crop and jitter each image of x (B, 3, H, W), values in [0, 1], with parameters of its own.

    settings: flip, rotate_probability (probabilities), rotate_degrees (largest angle either way), brightness,
    contrast, saturation (factors lie in 1 +- this), crop_scale (smallest share of the area that is kept).
    probability: share of the images that are augmented at all. Returns float32 in [0, 1]; x is not changed.
    """

    def chain(chosen: Tensor) -> Tensor:
        chosen = apply_affine(chosen, draw_affine(chosen, settings, generator))
        names = ("brightness", "contrast", "saturation")
        factors = [_draw_factor(chosen, settings[name], generator) for name in names]
        return apply_jitter(chosen, *factors)

    return on_share(x.float(), probability, generator, lambda chosen: in_pieces(chosen, chain, generator))


def draw_affine(x: Tensor, settings: Mapping[str, Any], generator: Generator) -> Tensor:
    """Return maps (B, 2, 3) from output to input coordinates (-1..1): crop, then rotation, then flip."""
    batch, _, height, width = x.shape
    flip = 1 - 2 * (uniform((batch,), generator, x.device) < settings["flip"]).float()
    turned = uniform((batch,), generator, x.device) < settings["rotate_probability"]
    limit = math.radians(settings["rotate_degrees"])
    angle = turned * uniform((batch,), generator, x.device, -limit, limit)
    size, centre = draw_crop(batch, settings["crop_scale"], width / height, generator, x.device)
    return affine(flip, angle, size, centre, width / height)


def draw_crop(
    batch: int, smallest: float, aspect: float, generator: Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Draw crop windows as torchvision's RandomResizedCrop does, without rounding to whole pixels.

    Returns size (B, 2), width and height as shares of the image's, and centre (B, 2) in -1..1, x first.
    The whole image is kept in the rare case that none of ten proposals fits.
    """
    area = uniform((batch, CROP_TRIES), generator, device, smallest, 1.0)
    ratio = uniform((batch, CROP_TRIES), generator, device, *map(math.log, CROP_RATIO)).exp() / aspect
    sizes = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=-1)
    fits = (sizes <= 1).all(-1)
    first = fits.int().argmax(1)
    size = sizes[torch.arange(batch, device=device), first]
    size = torch.where(fits.any(1, keepdim=True), size, torch.ones_like(size))
    return size, (1 - size) * uniform((batch, 2), generator, device, -1.0, 1.0)


def affine(flip: Tensor, angle: Tensor, size: Tensor, centre: Tensor, aspect: float) -> Tensor:
    """Compose maps (B, 2, 3) from output to input coordinates.

    flip: (B,), -1 mirrors left and right, 1 does not. angle: (B,) in radians. size, centre: (B, 2) as from
    `draw_crop`. aspect: width / height, which keeps a turn of a non-square image free of shear.
    """
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([flip * cos, -flip * sin / aspect, sin * aspect, cos], dim=-1).reshape(-1, 2, 2)
    return torch.cat([turn * size.unsqueeze(1), turn @ centre.unsqueeze(2)], dim=2)


def apply_affine(x: Tensor, theta: Tensor) -> Tensor:
    """Resample x (B, C, H, W) bilinearly at the places theta (B, 2, 3) sends its pixels to; outside is 0."""
    grid = _grid(theta, x.shape[2], x.shape[3])
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _grid(theta: Tensor, height: int, width: int) -> Tensor:
    """Do what torch's affine_grid does, (B, H, W, 2), by sums over planes: several times faster on a CPU."""
    across = ((torch.arange(width, device=theta.device) + 0.5) * (2 / width) - 1).view(1, 1, 1, width)
    down = ((torch.arange(height, device=theta.device) + 0.5) * (2 / height) - 1).view(1, 1, height, 1)
    by_x, by_y, shift = (theta[:, :, i, None, None] for i in range(3))
    return (by_x * across + (by_y * down + shift)).permute(0, 2, 3, 1)


def apply_jitter(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Change x (B, 3, H, W) by factors (B, 1, 1, 1), in this order, clamping to [0, 1] after each.

    As in torchvision: brightness blends with black, contrast with the image's mean grey, saturation with
    the grey of the pixel. The channels are cardiac phases, so saturation blurs or stresses the motion.
    """
    x = (x * brightness).clamp_(0, 1)
    mean = _grey(x.mean((2, 3), keepdim=True))
    x = x.mul_(contrast).add_(mean * (1 - contrast)).clamp_(0, 1)
    grey = _grey(x)
    return x.mul_(saturation).add_(grey.mul_(1 - saturation)).clamp_(0, 1)


def _grey(x: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, H, W); sums rather than einsum, which autocast would round to bf16."""
    return x[:, :1] * GREY[0] + x[:, 1:2] * GREY[1] + x[:, 2:] * GREY[2]


def _draw_factor(x: Tensor, strength: float, generator: Generator) -> Tensor:
    return uniform((len(x), 1, 1, 1), generator, x.device, max(0.0, 1 - strength), 1 + strength)
