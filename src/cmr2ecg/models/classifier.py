"""Encoders with a head for fine-tuning: the ECG encoder with attention pooling, convolutional ones with their own."""

from collections.abc import Callable, Mapping

from timm.models.resnet import ResNet
from torch import Tensor, nn

from cmr2ecg.models.attention_pooling import POOLINGS
from cmr2ecg.models.ecg_cnn import EcgCnn
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.study.encoders import network_of


def linear_head(features: int, outputs: int) -> nn.Linear:
    """Return a linear layer that starts near zero (authors: standard deviation 0.01)."""
    head = nn.Linear(features, outputs)
    nn.init.trunc_normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    return head


class EcgPredictor(nn.Module):
    """Predict `outputs` values from an ECG, every weight trainable; attention pooling replaces the mean (§IV-C.2)."""

    field, batch_norm = "ecg", False

    def __init__(self, encoder: EcgEncoder, outputs: int, pooling: str = "clip") -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        dim, (leads, times) = encoder.embed_dim, encoder.grid
        self.attention_pool = POOLINGS[pooling](dim, leads * times, encoder.heads)
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

    field, batch_norm = "cmr", True

    def __init__(self, encoder: ResNet, outputs: int) -> None:
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


class EcgCnnPredictor(nn.Module):
    """Predict `outputs` values from an ECG by a convolutional network, which has a pooling of its own."""

    field, batch_norm = "ecg", True

    def __init__(self, encoder: EcgCnn, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = linear_head(encoder.num_features, outputs)

    def forward(self, ecg: Tensor) -> Tensor:
        """Return (batch, outputs) logits or values of ECGs (batch, leads, samples)."""
        return self.head(self.encoder(ecg))

    def layer_of(self, name: str) -> int:
        """Return 0 for every parameter: lower rates in lower layers spare what was pre-trained, and nothing was."""
        return 0


Encoder = EcgEncoder | EcgCnn | ResNet
Predictor = EcgPredictor | EcgCnnPredictor | CmrPredictor


def build_predictor(encoder: Encoder, outputs: int, pooling: str = "clip") -> Predictor:
    """Return an encoder with pooling and a head of random weights; `pooling` is that of the transformer."""
    if isinstance(encoder, EcgEncoder):
        return EcgPredictor(encoder, outputs, pooling)
    return EcgCnnPredictor(encoder, outputs) if isinstance(encoder, EcgCnn) else CmrPredictor(encoder, outputs)


def is_cmr(encoder: str) -> bool:
    """Say whether an encoder of this name reads images."""
    return encoder.startswith("cmr_")


def build_encoder(encoder: str, models: Mapping[str, dict], drop_path: float = 0.0) -> Encoder:
    """Return the random network of an encoder's name; models: sizes of the networks, at least of this one."""
    network = network_of(encoder)
    return NETWORKS[network](**models[network], drop_path=drop_path)


NETWORKS: dict[str, Callable[..., Encoder]] = {"ecg_encoder": EcgEncoder, "ecg_cnn": EcgCnn, "cmr_encoder": cmr_encoder}
