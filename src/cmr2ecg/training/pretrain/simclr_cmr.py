"""SimCLR for the CMR encoder as an objective (paper §IV-C.1)."""

import torch
from torch import Tensor, nn

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.draw import Generator
from cmr2ecg.losses.nt_xent import nt_xent_loss
from cmr2ecg.models.projector import projector
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.training.distributed import gather
from cmr2ecg.training.pretrain.objective import Objective


class CmrSimclrObjective(Objective):
    """Pull two augmented views of the same CMR image together and push other images away."""

    fields = ("cmr",)
    needs_full_batches = True
    pair: tuple[str, str] = ("first_view", "second_view")

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = cmr_encoder(**models["cmr_encoder"])
        self.projector = projector(self.encoder.num_features, **settings["projector"])

    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor]:
        """Return two views of each image, stacked (2 x batch, 3, size, size).

        Views are augmented in validation too (`augment` is not used): two equal views would say nothing.
        """
        images = batch["cmr"].float()
        views = torch.cat([augment_cmr(images, self.settings["augment"], generator) for _ in range(2)])
        return (views.contiguous(memory_format=torch.channels_last),)

    def embeddings(self, views: Tensor) -> dict[str, Tensor]:
        """Return the encoder's output for the first views and the projections of both."""
        features = self.encoder(views)
        first, second = self.projector(features).chunk(2)
        return {"encoder": features[: len(first)], "first_view": first, "second_view": second}

    def loss_from(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Return the NT-Xent loss of all processes' views."""
        first, second = (gather(embeddings[name].float()) for name in self.pair)
        return nt_xent_loss(first, second, self.settings["temperature"])

    def loss(self, views: Tensor) -> Tensor:
        """Return the loss of the stacked views."""
        return self.loss_from(self.embeddings(views))

    def networks(self) -> dict[str, nn.Module]:
        """Return the image encoder."""
        return {"encoder": self.encoder}
