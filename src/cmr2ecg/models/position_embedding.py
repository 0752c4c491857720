"""Two-dimensional sine-cosine position embedding for a grid of leads x time patches."""

import torch
from torch import Tensor


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
