"""A 1-D residual network over the 12 leads of an ECG: the strong supervised baseline that the paper lacks.

The design is xresnet1d (Strodthoff et al. 2021, IEEE JBHI 25:1519), best on PTB-XL among the networks compared there:
He et al.'s residual network of 2016 with their tricks of 2019 (CVPR, "Bag of tricks"), in one dimension.
"""

from collections.abc import Sequence

import torch
from timm.layers import DropPath
from torch import Tensor, nn


class EcgCnn(nn.Module):
    """Map ECGs (batch, leads, samples) to embeddings (batch, num_features): mean and maximum over time.

    A stem of three convolutions and a maximum quarters the sampling rate; each stage after the first halves it and
    doubles the channels. At the paper's size: 6.30 M parameters, and one place of the last stage sees 873 samples.
    """

    def __init__(
        self,
        leads: int = 12,
        samples: int = 2500,
        width: int = 64,
        blocks: Sequence[int] = (2, 2, 2, 2),
        kernel: int = 5,
        dropout: float = 0.5,
        drop_path: float = 0.0,
    ) -> None:
        """Draw the weights.

        Args:
            leads, samples: of an ECG.
            width: channels of the first stage. blocks: residual blocks of each stage.
            kernel: samples of every convolution that is longer than one; an odd number.
            dropout: share of the embedding that is set to zero in training.
            drop_path: probability that the last block's branch is skipped in training; it rises from 0 at the first.
        """
        super().__init__()
        self.samples, self.num_features = samples, 2 * width * 2 ** (len(blocks) - 1)
        self.stem = stem(leads, width, kernel)
        rates = iter(drop_path * place / max(sum(blocks) - 1, 1) for place in range(sum(blocks)))
        layers, channels = [], width
        for stage, count in enumerate(blocks):
            for place in range(count):
                stride = 2 if stage and not place else 1
                layers.append(Block(channels, width * 2**stage, kernel, stride, next(rates)))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.apply(initialise)

    def forward(self, ecg: Tensor) -> Tensor:
        """Return embeddings (batch, num_features) of ECGs (batch, leads, samples)."""
        features = self.blocks(self.stem(ecg))
        return self.dropout(torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1))


class Block(nn.Module):
    """Two convolutions beside a shortcut, which averages neighbours where the block halves the rate."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, drop_path: float) -> None:
        super().__init__()
        first, second = convolution(channels, out, kernel, stride), convolution(out, out, kernel)
        nn.init.zeros_(second[1].weight)  # each block starts as its shortcut (He et al. 2019)
        self.branch = nn.Sequential(*first, nn.ReLU(inplace=True), *second)
        pooled = [nn.AvgPool1d(2, ceil_mode=True)] if stride == 2 else []
        self.shortcut = nn.Sequential(*pooled, *(convolution(channels, out, 1) if channels != out else ()))
        self.drop_path = DropPath(drop_path)

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, out, samples / stride, rounded up) of features (batch, channels, samples)."""
        return torch.relu(self.drop_path(self.branch(features)) + self.shortcut(features))


def stem(leads: int, width: int, kernel: int) -> nn.Sequential:
    """Return three convolutions, the first with stride 2, and a maximum over neighbours, again with stride 2."""
    layers: list[nn.Module] = []
    sizes = (leads, max(width // 2, 1), max(width // 2, 1), width)
    for place in range(3):
        layers += [*convolution(sizes[place], sizes[place + 1], kernel, 1 if place else 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool1d(3, stride=2, padding=1))


def convolution(channels: int, out: int, kernel: int, stride: int = 1) -> tuple[nn.Conv1d, nn.BatchNorm1d]:
    """Return a convolution that keeps the length, or halves it, and its batch norm."""
    return nn.Conv1d(channels, out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm1d(out)


def initialise(layer: nn.Module) -> None:
    """Draw a convolution's weights as He et al. 2015 do for ReLU."""
    if isinstance(layer, nn.Conv1d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
