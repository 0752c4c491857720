"""What the contrastive baselines on ECGs share (paper §IV-D.1): one encoder, and two views of each record."""

import torch
from torch import Tensor, nn

from cmr2ecg.augment.draw import Generator
from cmr2ecg.augment.ecg import random_crop
from cmr2ecg.augment.ecg_views import augment_view
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.pretrain.objective import Objective


class EcgViewsObjective(Objective):
    """An ECG encoder that is trained on two augmented random crops of each record.

    settings: drop_path, augment (of `augment_view`) and second_view_probability, the share of records whose second view
    is augmented beyond the crop; the first view always is.
    """

    fields = ("ecg",)
    needs_full_batches = True
    pair: tuple[str, str] = ("view_1", "view_2")

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = EcgEncoder(**models["ecg_encoder"], drop_path=settings["drop_path"])

    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor]:
        """Return two views of each record, stacked (2 x batch, 12, samples).

        Views are made in the same way in validation (`augment` is not used): two equal views would say nothing.
        """
        crops = [random_crop(batch["ecg"], self.encoder.samples, generator) for _ in range(2)]
        return (self.augmented(crops, generator),)

    def augmented(self, crops: list[Tensor], generator: Generator) -> Tensor:
        """Return two crops (batch, 12, samples) of each record augmented and stacked."""
        shares = (1.0, self.settings["second_view_probability"])
        chains = zip(crops, shares, strict=True)
        return torch.cat([augment_view(crop, self.settings["augment"], generator, share) for crop, share in chains])

    def networks(self) -> dict[str, nn.Module]:
        """Return the ECG encoder; the projector has served its purpose."""
        return {"encoder": self.encoder}


def each_view(network: nn.Module, stacked: Tensor) -> list[Tensor]:
    """Return the network's outputs of both halves of a stack, run one after the other: a BatchNorm sees one view."""
    return [network(view) for view in stacked.chunk(2)]
