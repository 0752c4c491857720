"""Position embeddings for a grid of leads x time patches: two-dimensional sine and cosine, or random."""

from types import MappingProxyType

import torch
from torch import Tensor, nn

# The default of every ECG encoder: all pre-trainings then start from the same embedding.
SINCOS = MappingProxyType({"init": "sincos", "trainable": False})


def initialise(init: str, dim: int, leads: int, times: int) -> Tensor:
    """Return the embedding (1, 1 + leads*times, dim) that a training starts from.

    init: "sincos", or "random", a normal distribution of standard deviation 0.02 as timm and the authors have it.

    Raises:
        ValueError: for another init.
    """
    if init == "sincos":
        return sincos_2d(dim, leads, times)[None]
    if init == "random":
        return nn.init.trunc_normal_(torch.empty(1, 1 + leads * times, dim), std=0.02)
    raise ValueError(f"position_embedding.init is {init!r}; expected sincos or random")


def sincos_1d(dim: int, positions: Tensor) -> Tensor:
    """Embed positions (n,) as (n, dim): sines, then cosines, of dim/2 frequencies from 1 down to 1/10000."""
    frequencies = 1.0 / 10_000 ** (torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angles = positions.double()[:, None] * frequencies[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_2d(dim: int, leads: int, times: int) -> Tensor:
    """Return (1 + leads*times, dim) float32: row 0 (class token) is zero, then lead-major patches.

    The first half of the channels encodes time, the second the lead, as in the MAE reference of the paper's [16].

    Raises:
        ValueError: if `dim` is not divisible by 4.
    """
    if dim % 4:
        raise ValueError(f"dim must be divisible by 4, got {dim}")
    time = sincos_1d(dim // 2, torch.arange(times)).repeat(leads, 1)
    lead = sincos_1d(dim // 2, torch.arange(leads)).repeat_interleave(times, dim=0)
    grid = torch.cat([time, lead], dim=1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), grid]).float()
