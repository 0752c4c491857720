"""Masked data modelling of ECGs as an objective (paper §III-A, §IV-C.2)."""

from torch import Tensor, nn

from cmr2ecg.augment.draw import Generator, uniform
from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.losses.masked_reconstruction import reconstruction_loss
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.position_embedding import SINCOS
from cmr2ecg.models.vit import EcgEncoder, patchify
from cmr2ecg.training.pretrain.objective import Objective


class MaeObjective(Objective):
    """Reconstruct augmented ECG crops of which a random share of patches is hidden."""

    fields = ("ecg",)
    needs_full_batches = False

    def __init__(self, models: dict, settings: dict) -> None:
        super().__init__()
        self.settings = settings
        position = settings.get("position_embedding", SINCOS)
        encoder = EcgEncoder(**{**models["ecg_encoder"], "position_embedding": position})
        self.autoencoder = MaskedAutoencoder(encoder, **models["mae_decoder"])

    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor, Tensor]:
        """Return crops (batch, 12, samples) and the noise (batch, patches) that decides their masks.

        Without `augment` the first samples of each record are used as they are.
        """
        encoder = self.autoencoder.encoder
        if augment:
            ecg = random_crop(batch["ecg"], encoder.samples, generator)
            ecg = augment_ecg(ecg, self.settings["augment"], generator)
        else:
            ecg = batch["ecg"][..., : encoder.samples]
        patches = encoder.grid[0] * encoder.grid[1]
        return ecg, uniform((len(ecg), patches), generator, ecg.device)

    def loss(self, ecg: Tensor, noise: Tensor) -> Tensor:
        """Return the reconstruction loss (paper equation 2a)."""
        encoder = self.autoencoder.encoder
        prediction, mask = self.autoencoder(ecg, noise, self.settings["mask_ratio"])
        return reconstruction_loss(
            prediction,
            patchify(ecg, encoder.patch),
            mask,
            patches=self.settings["loss"],
            ncc_weight=self.settings["ncc_weight"],
            signal_shape=encoder.grid,
        )

    def embeddings(self, ecg: Tensor, _noise: Tensor) -> dict[str, Tensor]:
        """Return what the encoder makes of whole ECGs, as fine-tuning uses it."""
        return {"encoder": self.autoencoder.encoder(ecg)}

    def networks(self) -> dict[str, nn.Module]:
        """Return the encoder and the whole autoencoder, whose decoder draws reconstructions."""
        return {"encoder": self.autoencoder.encoder, "autoencoder": self.autoencoder}
