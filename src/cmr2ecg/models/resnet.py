"""The CMR encoder: a timm ResNet over three cardiac phases as channels (paper §IV-C.1: ResNet50, 2048 features)."""

from collections.abc import Sequence
from typing import Any

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor

from cmr2ecg.runtime.command import InputError


def cmr_encoder(
    name: str = "resnet50",
    image_size: int = 210,
    drop_path: float = 0.0,
    output_stride: int = 32,
    channels: Sequence[int] | None = None,
) -> ResNet:
    """Return a randomly initialised ResNet that maps (batch, 3, size, size) to (batch, num_features).

    Its weights lie channels last, as convolutions are fastest; the first rearranges a batch that does not.

    Args:
        name: of a timm ResNet.
        image_size: what images are resized to before they reach the encoder; a ResNet takes any size, so it is kept as
            an attribute for the loader.
        drop_path: stochastic depth.
        output_stride: pixels of the image to a place of the last feature map: 32, or 16 or 8, where the last stages
            have dilated kernels in place of strides (Yu et al. 2017). Shapes of weights do not depend on it.
        channels: of the four stages, for a network narrower or wider than timm's of this name, whose stem of several
            convolutions ends with those of the first stage; None: timm's.

    Raises:
        InputError: if timm builds another kind of network under this name, such as resnetv2_50, whose layers have other
            names: rates by layer (`CmrPredictor.layer_of`) and published weights would miss them.
    """
    widths: dict[str, Any] = {"channels": tuple(channels), "stem_width": channels[0] // 2} if channels else {}
    encoder = timm.create_model(
        name,
        pretrained=False,
        num_classes=0,
        global_pool="avg",
        drop_path_rate=drop_path,
        output_stride=output_stride,
        **widths,
    )
    if not isinstance(encoder, ResNet):
        raise InputError(f"models.cmr_encoder.name: {name} is timm's {type(encoder).__name__}; name a ResNet")
    encoder.image_size = image_size  # type: ignore[assignment]  # nn.Module's hint has tensors and modules only
    return encoder.to(memory_format=torch.channels_last)


def feature_map(encoder: ResNet, images: Tensor) -> Tensor:
    """Return the local features (batch, num_features, height, width) behind the global average pooling."""
    return encoder.forward_features(images)
