"""Two-layer projectors onto the space where a contrastive loss compares embeddings (paper §IV-C.1)."""

from torch import nn


def projector(features: int, hidden: int = 512, out: int = 128) -> nn.Sequential:
    """Return Linear -> ReLU -> Linear from `features` to `out` dimensions; no batch norm, as the authors."""
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out))


def normed_projector(features: int, hidden: int, out: int) -> nn.Sequential:
    """Return Linear -> BatchNorm -> ReLU -> Linear, the projector of BYOL and, as the authors, of Barlow Twins."""
    return nn.Sequential(
        nn.Linear(features, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, out),
    )
