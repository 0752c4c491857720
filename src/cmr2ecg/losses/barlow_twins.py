"""The loss of Barlow Twins (Zbontar et al. 2021, equations 1 and 2), for the ECG baseline of paper §IV-D.1."""

import torch
from torch import Tensor

STANDARDISED = 1e-5  # added to the variance, as in a BatchNorm: a constant dimension correlates with nothing


def barlow_twins_loss(z1: Tensor, z2: Tensor, redundancy_weight: float) -> Tensor:
    """Bring the correlations between the dimensions of two views' projections close to the identity.

    z1, z2: projections (B, D), row i of both from sample i; standardised over the batch here, B at least 2.
    redundancy_weight: lambda, the weight of the terms off the diagonal.
    Returns the sum over all D x D terms, a float32 scalar, also inside autocast.
    """
    with torch.autocast(z1.device.type, enabled=False):
        correlation = cross_correlation(z1.float(), z2.float())
        diagonal = correlation.diagonal()
        invariance = (diagonal - 1).square().sum()
        redundancy = correlation.square().sum() - diagonal.square().sum()
        return invariance + redundancy_weight * redundancy


def cross_correlation(z1: Tensor, z2: Tensor) -> Tensor:
    """Return Pearson's correlation over the batch of every dimension of z1 (B, D) with every one of z2: (D, D)."""
    return _standardise(z1).T @ _standardise(z2) / len(z1)


def _standardise(z: Tensor) -> Tensor:
    variance, mean = torch.var_mean(z, dim=0, correction=0)
    return (z - mean) * (variance + STANDARDISED).rsqrt()
