"""The ECG encoder: timm's vision transformer over one-lead patches of a 12-lead ECG (paper §IV-C.1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import linear

from cmr2ecg.models.attention import PiecewiseAttention
from cmr2ecg.models.position_embedding import SINCOS, initialise


class EcgEncoder(VisionTransformer):
    """Vision transformer whose tokens are (1, patch) pieces of single leads, plus a class token.

    Parameter names are timm's and those of the authors' published weights. At the paper's size (384-d, 3 blocks,
    6 heads, 12 x 2500 samples, patch 100): 300 patch tokens and 5.36 M parameters without the position embedding.
    """

    cls_token: nn.Parameter  # timm has networks without these two
    pos_embed: nn.Parameter

    def __init__(
        self,
        leads: int = 12,
        samples: int = 2500,
        patch: int = 100,
        dim: int = 384,
        depth: int = 3,
        heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        position_embedding: Mapping[str, Any] = SINCOS,
    ) -> None:
        super().__init__(
            img_size=(leads, samples),
            patch_size=(1, patch),
            in_chans=1,
            num_classes=0,
            global_pool="token",
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            mlp_ratio=mlp_ratio,
            drop_path_rate=drop_path,
            attn_layer=PiecewiseAttention,
        )
        self.leads, self.samples, self.patch, self.heads = leads, samples, patch, heads
        self.grid = (leads, samples // patch)
        self.set_position_embedding(**position_embedding)

    def set_position_embedding(self, init: str, trainable: bool) -> None:
        """Start the position embedding anew, "sincos" or "random", and say whether training changes it."""
        self.pos_embed.data.copy_(initialise(init, self.embed_dim, *self.grid))
        self.pos_embed.requires_grad_(trainable)

    def embed_patches(self, ecg: Tensor) -> Tensor:
        """Return patch tokens (batch, leads*times, dim) of ECGs (batch, leads, samples), position added.

        What timm's convolution does with patches that do not overlap, as a product of matrices: the convolution's
        backward pass took a quarter of a small network's step on a processor.
        """
        kernel = self.patch_embed.proj
        return linear(patchify(ecg, self.patch), kernel.weight.flatten(1), kernel.bias) + self.pos_embed[:, 1:]

    def encode_tokens(self, patches: Tensor) -> Tensor:
        """Run the blocks over the class token and `patches` (batch, n, dim): (batch, 1 + n, dim), not normalised."""
        batch = patches.shape[0]  # len() would fix the size in an export
        token = (self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1)
        return self.blocks(torch.cat([token, patches], dim=1))

    def forward_patches(self, ecg: Tensor) -> Tensor:
        """Return encoded patch tokens (batch, leads*times, dim), without the class token, not normalised."""
        return self.encode_tokens(self.embed_patches(ecg))[:, 1:]

    def forward(self, ecg: Tensor) -> Tensor:  # type: ignore[override]  # timm's masks of attention are for other uses
        """Return embeddings (batch, dim) of ECGs (batch, leads, samples): the normalised mean patch token."""
        return self.norm(self.forward_patches(ecg).mean(dim=1))

    def forward_leads(self, ecg: Tensor, leads: Sequence[int]) -> Tensor:
        """Return embeddings (batch, len(leads), dim) of single leads, each encoded as if the others were not there."""
        patches = self.embed_patches(ecg).unflatten(1, self.grid)[:, list(leads)]
        tokens = self.encode_tokens(patches.flatten(0, 1))[:, 1:]
        return self.norm(tokens.mean(dim=1)).unflatten(0, (len(ecg), len(leads)))


def patchify(ecg: Tensor, patch: int) -> Tensor:
    """Cut ECGs (batch, leads, samples) into (batch, leads*times, patch), lead-major like the encoder's tokens."""
    batch, leads, samples = ecg.shape
    return ecg.reshape(batch, leads * (samples // patch), patch)
