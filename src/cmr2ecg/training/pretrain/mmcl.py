"""Multimodal contrastive learning of ECGs against CMR images as an objective (paper §III-B, §IV-C.2)."""

import torch
from torch import Tensor, nn

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.draw import Generator, uniform
from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.losses.clip import clip_loss
from cmr2ecg.models.projector import projector
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.distributed import gather
from cmr2ecg.training.pretrain.objective import Objective


class MmclObjective(Objective):
    """Bring the projections of an ECG and a CMR image of the same subject together."""

    fields = ("ecg", "cmr")
    needs_full_batches = True
    pair: tuple[str, str] = ("ecg", "cmr")

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__()
        self.settings = settings
        self.ecg_encoder = EcgEncoder(**models["ecg_encoder"], drop_path=settings["drop_path"])
        self.cmr_encoder = cmr_encoder(**models["cmr_encoder"])
        self.ecg_projector = projector(self.ecg_encoder.embed_dim, **models["projector"])
        self.cmr_projector = projector(self.cmr_encoder.num_features, **models["projector"])

    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor, Tensor]:
        """Return ECG crops (batch, 12, samples) and images (batch, 3, size, size).

        For a negative control settings["shuffle_images"] may be "every_batch": in training any image of the batch
        is paired with an ECG, each as likely as another, so that there is no pair to learn, nor to memorise.
        """
        samples, images = self.ecg_encoder.samples, batch["cmr"].float()
        if augment:
            share = self.settings["augment_probability"]
            ecg = random_crop(batch["ecg"], samples, generator)
            ecg = augment_ecg(ecg, self.settings["ecg_augment"], generator, probability=share)
            images = augment_cmr(images, self.settings["cmr_augment"], generator, probability=share)
            if self.settings.get("shuffle_images") == "every_batch":
                images = images[uniform((len(images),), generator, images.device).argsort()]
        else:
            ecg = batch["ecg"][..., :samples]
        return ecg, images.contiguous(memory_format=torch.channels_last)

    def embeddings(self, ecg: Tensor, images: Tensor) -> dict[str, Tensor]:
        """Return both encoders' outputs and the projections z_s, z_i (batch, out) of equation 3, not yet normalised."""
        signals, pictures = self.ecg_encoder(ecg), self.cmr_encoder(images)
        projections = {"ecg": self.ecg_projector(signals), "cmr": self.cmr_projector(pictures)}
        return {"encoder": signals, "image_encoder": pictures, **projections}

    def loss_from(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Return the CLIP loss of all processes' pairs (equation 6)."""
        z_signal, z_image = (gather(embeddings[name].float()) for name in self.pair)
        return clip_loss(z_image, z_signal, self.settings["temperature"], self.settings["image_weight"])

    def loss(self, ecg: Tensor, images: Tensor) -> Tensor:
        """Return the loss of paired ECGs and images."""
        return self.loss_from(self.embeddings(ecg, images))

    def networks(self) -> dict[str, nn.Module]:
        """Return both encoders and both projectors; the similarity maps of §III-C need all four."""
        return {
            "encoder": self.ecg_encoder,
            "image_encoder": self.cmr_encoder,
            "projector": self.ecg_projector,
            "image_projector": self.cmr_projector,
        }
