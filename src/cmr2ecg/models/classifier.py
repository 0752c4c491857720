"""An ECG encoder with CLIP's attention pooling and a linear head (paper §IV-C.2)."""

from timm.layers import AttentionPool2d
from torch import Tensor, nn

from cmr2ecg.models.vit import EcgEncoder


class EcgPredictor(nn.Module):
    """Predict `outputs` values from an ECG with every weight trainable.

    Attention pooling replaces the mean over patch tokens of pre-training: the mean token, with a learned position
    embedding, queries all tokens (paper's [28]; timm's AttentionPool2d is that layer).
    """

    def __init__(self, encoder: EcgEncoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        dim = encoder.embed_dim
        self.attention_pool = AttentionPool2d(dim, feat_size=encoder.grid, num_heads=encoder.blocks[0].attn.num_heads)
        self.head = nn.Linear(dim, outputs)
        nn.init.trunc_normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, ecg: Tensor) -> Tensor:
        """Return (batch, outputs) logits or values of ECGs (batch, leads, samples)."""
        tokens = self.encoder.norm(self.encoder.forward_patches(ecg))
        grid = tokens.transpose(1, 2).unflatten(2, self.encoder.grid)
        return self.head(self.attention_pool(grid))


def layer_of(name: str, depth: int) -> int:
    """Return a parameter's layer for learning-rate decay: 0 embeddings, 1 to depth the blocks, depth + 1 the rest."""
    if name.startswith(("encoder.cls_token", "encoder.pos_embed", "encoder.patch_embed")):
        return 0
    if name.startswith("encoder.blocks."):
        return int(name.split(".")[2]) + 1
    return depth + 1
