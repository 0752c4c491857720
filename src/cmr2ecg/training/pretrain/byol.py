"""BYOL for the ECG encoder as an objective (paper §IV-D.1; Grill et al. 2020)."""

import copy
import math

import torch
from torch import Tensor, nn

from cmr2ecg.losses.byol import byol_loss
from cmr2ecg.models.projector import normed_projector
from cmr2ecg.training.pretrain.ecg_views import EcgViewsObjective, each_view


class ByolObjective(EcgViewsObjective):
    """Predict, from one view, how a slowly moving copy of the network projects the other view.

    The copy, `target`, gets no gradient: after each step it moves towards the online encoder and projector.
    """

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__(models, settings)
        sizes = settings["projector"]
        self.projector = normed_projector(self.encoder.embed_dim, **sizes)
        self.predictor = normed_projector(sizes["out"], **sizes)
        self.target = nn.ModuleDict({name: copy.deepcopy(network) for name, network in self.followed().items()})
        self.target.requires_grad_(False)

    def followed(self) -> dict[str, nn.Module]:
        """Return the online networks that the target follows."""
        return {"encoder": self.encoder, "projector": self.projector}

    def loss(self, views: Tensor) -> Tensor:
        """Return the loss of stacked views (2 x batch, 12, samples): a mean over the batch, nothing to gather."""
        projections = each_view(self.projector, self.encoder(views))
        predictions = [self.predictor(projection) for projection in projections]
        with torch.no_grad():
            targets = each_view(self.target["projector"], self.target["encoder"](views))
        return byol_loss(*predictions, *targets)

    def embeddings(self, views: Tensor) -> dict[str, Tensor]:
        """Return the first views' encoder outputs, and both views' online projections."""
        features = self.encoder(views)
        first, second = each_view(self.projector, features)
        return {"encoder": features.chunk(2)[0], "view_1": first, "view_2": second}

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """Move the target's weights by 1 - tau of the way to the online network's."""
        share = 1 - tau_at(progress, self.settings["tau"])
        for name, network in self.followed().items():
            torch._foreach_lerp_(list(self.target[name].parameters()), list(network.parameters()), share)


def tau_at(progress: float, start: float) -> float:
    """Return tau at a share of the training: from `start` along half a cosine to 1 (Grill et al., section 3.2)."""
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
