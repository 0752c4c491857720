"""The CMR encoder: a timm ResNet over three cardiac phases as channels (paper §IV-C.1: ResNet50, 2048 features)."""

import timm
from torch import Tensor, nn


def cmr_encoder(name: str = "resnet50", image_size: int = 210, drop_path: float = 0.0) -> nn.Module:
    """Return a randomly initialised ResNet that maps (batch, 3, size, size) to (batch, num_features).

    `image_size` is what images are resized to before they reach the encoder; a ResNet takes any size, so it is
    kept as an attribute for the loader.
    """
    encoder = timm.create_model(name, pretrained=False, num_classes=0, global_pool="avg", drop_path_rate=drop_path)
    encoder.image_size = image_size
    return encoder


def feature_map(encoder: nn.Module, images: Tensor) -> Tensor:
    """Return the local features (batch, num_features, height, width) behind the global average pooling."""
    return encoder.forward_features(images)
