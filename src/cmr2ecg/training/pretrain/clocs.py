"""CLOCS for the ECG encoder as an objective (paper §IV-D.1; Kiyasseh et al. 2021)."""

from torch import Tensor

from cmr2ecg.augment.draw import Generator
from cmr2ecg.augment.ecg import random_crop
from cmr2ecg.augment.ecg_views import augment_view
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.losses.clocs import clocs_loss
from cmr2ecg.models.projector import projector
from cmr2ecg.training.distributed import gather
from cmr2ecg.training.pretrain.ecg_views import EcgViewsObjective


class ClocsObjective(EcgViewsObjective):
    """Pull parts of the same recording together and push other subjects' parts away.

    settings["contrast"] says what the parts are:
    - cmsc: the two halves, all leads together, as the authors of the paper ran it;
    - cmlc: single leads (settings["leads"]) of one crop;
    - cmsmlc: single leads of both halves.
    """

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__(models, settings)
        self.projector = projector(self.encoder.embed_dim, **settings["projector"])
        self.leads = [LEADS.index(name) for name in settings["leads"]]
        self.by_lead = settings["contrast"] != "cmsc"
        self.halves = settings["contrast"] != "cmlc"

    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor]:
        """Return the halves of each record, stacked (2 x batch, 12, samples), or one crop of each (batch, 12, samples).

        The halves are the authors' fixed ones, the first `samples` samples of each. Everything is augmented in
        validation too, but the crop is at random in training only.
        """
        records, samples = batch["ecg"], self.encoder.samples
        if self.halves:
            middle = records.shape[2] // 2
            crops = [records[..., start : start + samples] for start in (0, middle)]
            return (self.augmented(crops, generator),)
        crop = random_crop(records, samples, generator) if augment else records[..., :samples]
        return (augment_view(crop, self.settings["augment"], generator),)

    def features(self, parts: Tensor) -> list[Tensor]:
        """Return the encoder's outputs (batch, dim) of every view."""
        segments = parts.chunk(2) if self.halves else [parts]
        if not self.by_lead:
            return list(self.encoder(parts).chunk(2))
        return [view for segment in segments for view in self.encoder.forward_leads(segment, self.leads).unbind(1)]

    def embeddings(self, parts: Tensor) -> dict[str, Tensor]:
        """Return the first view's encoder outputs, and the first two views' projections."""
        first, second, *_ = self.features(parts)
        return {"encoder": first, "view_1": self.projector(first), "view_2": self.projector(second)}

    def loss(self, parts: Tensor) -> Tensor:
        """Return the loss over every pair of views of all processes."""
        views = [gather(self.projector(view).float()) for view in self.features(parts)]
        return clocs_loss(views, self.settings["temperature"])
