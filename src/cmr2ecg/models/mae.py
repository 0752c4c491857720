"""The masked autoencoder ("MDM" in the paper, §III-A): encode the visible patches, reconstruct them all."""

from functools import partial

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from cmr2ecg.models.attention import PiecewiseAttention
from cmr2ecg.models.position_embedding import sincos_2d
from cmr2ecg.models.vit import EcgEncoder


class MaskedAutoencoder(nn.Module):
    """An ECG encoder with a light transformer decoder (authors: 256-d, 2 blocks, 8 heads)."""

    def __init__(self, encoder: EcgEncoder, dim: int = 256, depth: int = 2, heads: int = 8) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder_embed = nn.Linear(encoder.embed_dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.decoder_pos_embed = nn.Parameter(sincos_2d(dim, *encoder.grid)[None], requires_grad=False)
        norm = type(encoder.norm)
        block = partial(Block, dim, heads, qkv_bias=True, norm_layer=norm, attn_layer=PiecewiseAttention)
        self.decoder_blocks = nn.Sequential(*[block() for _ in range(depth)])
        self.decoder_norm = norm(dim)
        self.decoder_pred = nn.Linear(dim, encoder.patch)
        nn.init.normal_(self.mask_token, std=0.02)

    def random_masking(self, patches: Tensor, noise: Tensor, mask_ratio: float) -> tuple[Tensor, Tensor, Tensor]:
        """Keep the patches with the lowest noise.

        Args:
            patches: (batch, n, dim) tokens.
            noise: (batch, n) uniform numbers whose order is the shuffle.
            mask_ratio: share removed; int(n * (1 - mask_ratio)) patches are kept.

        Returns:
            visible (batch, kept, dim), mask (batch, n) with 1 = removed, restore (batch, n) that undoes the shuffle.
        """
        n, dim = patches.shape[1:]
        kept = int(n * (1 - mask_ratio))
        shuffle = noise.argsort(dim=1)
        restore = shuffle.argsort(dim=1)
        visible = patches.gather(1, shuffle[:, :kept, None].expand(-1, -1, dim))
        return visible, (restore >= kept).to(patches.dtype), restore

    def forward_encoder(self, ecg: Tensor, noise: Tensor, mask_ratio: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the latent (batch, 1 + kept, dim), the mask, and the order that restores the patches."""
        patches = self.encoder.embed_patches(ecg)
        visible, mask, restore = self.random_masking(patches, noise, mask_ratio)
        return self.encoder.norm(self.encoder.encode_tokens(visible)), mask, restore

    def forward_decoder(self, latent: Tensor, restore: Tensor) -> Tensor:
        """Return predicted patches (batch, n, patch) from the latent of the visible ones."""
        tokens = self.decoder_embed(latent)
        batch, n = restore.shape
        masked = self.mask_token.to(tokens.dtype).expand(batch, n + 1 - tokens.shape[1], -1)
        patches = torch.cat([tokens[:, 1:], masked], dim=1)
        patches = patches.gather(1, restore[:, :, None].expand(-1, -1, patches.shape[2]))
        tokens = torch.cat([tokens[:, :1], patches], dim=1) + self.decoder_pos_embed
        return self.decoder_pred(self.decoder_norm(self.decoder_blocks(tokens)))[:, 1:]

    def forward(self, ecg: Tensor, noise: Tensor, mask_ratio: float = 0.8) -> tuple[Tensor, Tensor]:
        """Return predicted patches (batch, n, patch) and the mask (batch, n; 1 = removed)."""
        latent, mask, restore = self.forward_encoder(ecg, noise, mask_ratio)
        return self.forward_decoder(latent, restore), mask
