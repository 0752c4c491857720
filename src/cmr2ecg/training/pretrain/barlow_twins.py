"""Barlow Twins for the ECG encoder as an objective (paper §IV-D.1; Zbontar et al. 2021)."""

from torch import Tensor

from cmr2ecg.losses.barlow_twins import barlow_twins_loss
from cmr2ecg.models.projector import normed_projector
from cmr2ecg.training.distributed import gather
from cmr2ecg.training.pretrain.ecg_views import EcgViewsObjective, each_view


class BarlowTwinsObjective(EcgViewsObjective):
    """Make each dimension of the projection agree between two views and differ from every other dimension."""

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__(models, settings)
        self.projector = normed_projector(self.encoder.embed_dim, **settings["projector"])

    def embeddings(self, views: Tensor) -> dict[str, Tensor]:
        """Return the first views' encoder outputs, and both views' projections."""
        features = self.encoder(views)
        first, second = each_view(self.projector, features)
        return {"encoder": features.chunk(2)[0], "view_1": first, "view_2": second}

    def loss_from(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Return the loss over all processes' batches."""
        first, second = (gather(embeddings[name].float()) for name in self.pair)
        return barlow_twins_loss(first, second, self.settings["redundancy_weight"])

    def loss(self, views: Tensor) -> Tensor:
        """Return the loss of stacked views (2 x batch, 12, samples)."""
        return self.loss_from(self.embeddings(views))
