"""NT-Xent, the loss of SimCLR (Chen et al. 2020, equation 1), for the image encoder of paper §IV-C.1."""

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Contrast two views of B samples: each of the 2B projections with the 2B - 1 others.

    z1, z2: projections (B, D), row i of both from sample i; normalised to unit length here.
    temperature: tau, above 0. Returns a float32 scalar, also inside autocast.
    """
    with torch.autocast(z1.device.type, enabled=False):
        z = functional.normalize(torch.cat([z1, z2]).float(), dim=1)
        similarity = z @ z.T / temperature
        similarity = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
        other_view = torch.arange(len(z), device=z.device).roll(len(z1))
        return functional.cross_entropy(similarity, other_view)
