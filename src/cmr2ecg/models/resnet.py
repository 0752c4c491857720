"""The CMR encoder: a timm ResNet over three cardiac phases as channels (paper §IV-C.1: ResNet50, 2048 features)."""

import timm
from torch import Tensor, nn


def cmr_encoder(
    name: str = "resnet50", image_size: int = 210, drop_path: float = 0.0, output_stride: int = 32
) -> nn.Module:
    """Return a randomly initialised ResNet that maps (batch, 3, size, size) to (batch, num_features).

    Args:
        name: of a timm ResNet.
        image_size: what images are resized to before they reach the encoder; a ResNet takes any size, so it is kept as
            an attribute for the loader.
        drop_path: stochastic depth.
        output_stride: pixels of the image to a place of the last feature map: 32, or 16 or 8, where the last stages
            have dilated kernels in place of strides (Yu et al. 2017). Shapes of weights do not depend on it.
    """
    encoder = timm.create_model(
        name,
        pretrained=False,
        num_classes=0,
        global_pool="avg",
        drop_path_rate=drop_path,
        output_stride=output_stride,
    )
    encoder.image_size = image_size
    return encoder


def feature_map(encoder: nn.Module, images: Tensor) -> Tensor:
    """Return the local features (batch, num_features, height, width) behind the global average pooling."""
    return encoder.forward_features(images)
