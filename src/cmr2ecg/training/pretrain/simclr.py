"""SimCLR for the ECG encoder as an objective (paper §IV-D.1; Chen et al. 2020)."""

from torch import Tensor

from cmr2ecg.losses.nt_xent import nt_xent_loss
from cmr2ecg.models.projector import projector
from cmr2ecg.training.distributed import gather
from cmr2ecg.training.pretrain.ecg_views import EcgViewsObjective


class SimclrObjective(EcgViewsObjective):
    """Pull two views of the same ECG together and push the views of other ECGs away."""

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__(models, settings)
        self.projector = projector(self.encoder.embed_dim, **settings["projector"])

    def embeddings(self, views: Tensor) -> dict[str, Tensor]:
        """Return the first views' encoder outputs, and both views' projections."""
        features = self.encoder(views)
        first, second = self.projector(features).chunk(2)
        return {"encoder": features.chunk(2)[0], "view_1": first, "view_2": second}

    def loss_from(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Return the NT-Xent loss of all processes' views."""
        first, second = (gather(embeddings[name].float()) for name in self.pair)
        return nt_xent_loss(first, second, self.settings["temperature"])

    def loss(self, views: Tensor) -> Tensor:
        """Return the loss of stacked views (2 x batch, 12, samples)."""
        return self.loss_from(self.embeddings(views))
