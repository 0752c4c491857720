"""Reconstruction loss of the masked autoencoder (paper §III-A, equation 2a)."""

import torch
from torch import Tensor

# Keeps the correlation of a flat lead at 0 and its gradient finite; a normalised lead has variance near 1.
FLAT_VARIANCE = 1e-8


def reconstruction_loss(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    patches: str,
    ncc_weight: float,
    signal_shape: tuple[int, int],
) -> Tensor:
    """Return (1 - w) MSE + w (1 - NCC) with w = ncc_weight.

    prediction, target: (B, N, P), N patches of P samples, all patches of lead 0 first, then those of lead 1.
    mask: (B, N), 1 where the patch was removed from the encoder's input.
    patches: "all_patches" (MSE over the whole signal, as equation 2a has it) or "masked_patches" (over the
    removed ones, as in He et al. 2022; at least one must be removed).
    ncc_weight: 0 is the paper's loss, the authors' code has 0.1; the NCC always looks at whole leads.
    signal_shape: (leads, patches per lead), with leads x patches per lead = N.
    Returns a float32 scalar, also inside autocast. Raises ValueError for another `patches`.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        prediction, target = prediction.float(), target.float()
        loss = _mean_squared_error(prediction, target, mask, patches)
        if ncc_weight == 0:
            return loss
        ncc = normalised_cross_correlation(_as_leads(prediction, signal_shape), _as_leads(target, signal_shape))
        return (1 - ncc_weight) * loss + ncc_weight * (1 - ncc.mean())


def normalised_cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation of a and b along the last axis, 0 where either is flat."""
    a = a - a.mean(-1, keepdim=True)
    b = b - b.mean(-1, keepdim=True)
    variances = a.square().mean(-1) * b.square().mean(-1)
    return (a * b).mean(-1) / (variances + FLAT_VARIANCE).sqrt()


def _mean_squared_error(prediction: Tensor, target: Tensor, mask: Tensor, patches: str) -> Tensor:
    per_patch = (prediction - target).square().mean(-1)
    if patches == "all_patches":
        return per_patch.mean()
    if patches == "masked_patches":
        return (per_patch * mask).sum() / mask.sum()
    raise ValueError(f"patches is {patches!r}; expected all_patches or masked_patches")


def _as_leads(patches: Tensor, signal_shape: tuple[int, int]) -> Tensor:
    """(B, leads x n, P) -> (B, leads, n x P): one row a lead, time running on."""
    leads, per_lead = signal_shape
    return patches.reshape(len(patches), leads, per_lead * patches.shape[-1])
