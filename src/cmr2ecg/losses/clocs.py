"""The loss of CLOCS (Kiyasseh et al. 2021, equations 1 to 3), for the ECG baseline of paper §IV-D.1."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from cmr2ecg.losses.clip import clip_loss


def clocs_loss(views: Sequence[Tensor], temperature: float) -> Tensor:
    """Contrast subjects in every pair of views, with views as anchors both ways, and average over the pairs.

    views: two or more projections (B, D) of the same B subjects: segments (CMSC), leads (CMLC) or both (CMSMLC).
    temperature: tau, above 0. A batch holds one recording a subject, so row i has one positive in another view.
    Returns a float32 scalar, also inside autocast.
    """
    pairs = [clip_loss(a, b, temperature, 0.5) for a, b in combinations(views, 2)]
    return torch.stack(pairs).mean()
