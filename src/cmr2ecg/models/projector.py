"""Two-layer projectors onto the shared latent space (paper §IV-C.1; no batch norm, as the authors)."""

from torch import nn


def projector(features: int, hidden: int = 512, out: int = 128) -> nn.Sequential:
    """Return Linear -> ReLU -> Linear from `features` to `out` dimensions."""
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out))
