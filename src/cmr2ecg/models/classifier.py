"""Encoders with a head for fine-tuning: the ECG encoder with attention pooling, the image encoder with its mean."""

from collections.abc import Mapping

from torch import Tensor, nn

from cmr2ecg.models.attention_pooling import POOLINGS
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder


def linear_head(features: int, outputs: int) -> nn.Linear:
    """Return a linear layer that starts near zero (authors: standard deviation 0.01)."""
    head = nn.Linear(features, outputs)
    nn.init.trunc_normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    return head


class EcgPredictor(nn.Module):
    """Predict `outputs` values from an ECG, every weight trainable; attention pooling replaces the mean (§IV-C.2)."""

    field = "ecg"

    def __init__(self, encoder: EcgEncoder, outputs: int, pooling: str = "clip") -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        dim, (leads, times) = encoder.embed_dim, encoder.grid
        self.attention_pool = POOLINGS[pooling](dim, leads * times, encoder.blocks[0].attn.num_heads)
        self.head = linear_head(dim, outputs)
        if pooling == "authors":
            encoder.norm.requires_grad_(False)  # theirs comes after the pooling, so this one is not used

    def forward(self, ecg: Tensor) -> Tensor:
        """Return (batch, outputs) logits or values of ECGs (batch, leads, samples)."""
        tokens = self.encoder.forward_patches(ecg)
        if self.pooling == "clip":
            tokens = self.encoder.norm(tokens)
        return self.head(self.attention_pool(tokens))

    def layer_of(self, name: str) -> int:
        """Return a parameter's layer for learning-rate decay: 0 embeddings, 1 to depth the blocks, then the rest."""
        if name.startswith(("encoder.cls_token", "encoder.pos_embed", "encoder.patch_embed")):
            return 0
        if name.startswith("encoder.blocks."):
            return int(name.split(".")[2]) + 1
        return len(self.encoder.blocks) + 1


class CmrPredictor(nn.Module):
    """Predict `outputs` values from three cardiac phases, every weight trainable; a ResNet keeps its mean pooling."""

    field = "cmr"

    def __init__(self, encoder: nn.Module, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = linear_head(encoder.num_features, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, outputs) logits or values of images (batch, 3, size, size)."""
        return self.head(self.encoder(images))

    def layer_of(self, name: str) -> int:
        """Return a parameter's layer for learning-rate decay: 0 the stem, 1 to 4 the stages, 5 the head."""
        if name.startswith("encoder.layer"):
            return int(name.removeprefix("encoder.layer").split(".")[0])
        return 0 if name.startswith("encoder.") else 5


Predictor = EcgPredictor | CmrPredictor


def is_cmr(encoder: str) -> bool:
    """Say whether an encoder of this name reads images."""
    return encoder.startswith("cmr_")


def build_encoder(encoder: str, models: Mapping[str, dict], drop_path: float = 0.0) -> nn.Module:
    """Return the random network of an encoder's name, at the sizes of the config's section `models`."""
    if is_cmr(encoder):
        return cmr_encoder(**models["cmr_encoder"], drop_path=drop_path)
    return EcgEncoder(**models["ecg_encoder"], drop_path=drop_path)
