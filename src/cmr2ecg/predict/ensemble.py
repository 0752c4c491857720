"""The networks of a release, and their outputs for cleaned ECGs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict.release import EMBEDDING, Release, key_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import one_line
from cmr2ecg.study.targets import is_regression

Network = TypeVar("Network", bound=nn.Module)


class Fits(nn.Module):
    """All seeds of one target: the probability of a disease, or phenotypes in their units.

    Args:
        networks: one per seed.
        crops: pieces of the record whose predictions are averaged, evenly spaced from the first sample.
        scale: mean and standard deviation (outputs,) of phenotypes, None for a disease.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, networks: list[EcgPredictor], crops: int, scale: Mapping[str, list[float]] | None) -> None:
        super().__init__()
        self.networks, self.crops, self.samples = nn.ModuleList(networks), crops, networks[0].encoder.samples
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(scale[name]) if scale else None)

    def forward(self, ecg: Tensor) -> Tensor:
        """Return (seeds, batch, outputs) of ECGs (batch, 12, recorded samples)."""
        starts = np.linspace(0, int(ecg.shape[2]) - self.samples, self.crops).round().astype(int).tolist()
        views = [ecg[..., start : start + self.samples] for start in starts]
        totals = [reduce(torch.add, [self.readout(net(view)) for view in views]) for net in self.networks]
        return torch.stack([total / self.crops for total in totals])

    def readout(self, outputs: Tensor) -> Tensor:
        """Return probabilities (batch, 1), or phenotypes (batch, outputs) in their units."""
        if self.mean is None or self.std is None:
            return outputs.softmax(dim=1)[:, 1:]
        return outputs * self.std + self.mean


class Ensemble(nn.Module):
    """Every fit of a release."""

    def __init__(self, fits: Mapping[str, Fits]) -> None:
        super().__init__()
        self.by_target = dict(fits)
        self.fits = nn.ModuleDict(fits)

    @property
    def targets(self) -> list[str]:
        """Return the targets, in the order of `forward`'s outputs."""
        return list(self.fits)

    def forward(self, ecg: Tensor) -> tuple[Tensor, ...]:
        """Return for each target (seeds, batch, outputs) of ECGs (batch, 12, recorded samples)."""
        return tuple(fits(ecg) for fits in self.fits.values())


def build_ensemble(release: Release) -> Ensemble:
    """Return the networks of a release with their weights, in evaluation mode.

    Raises:
        InputError: if weights and settings do not match.
    """
    sizes = release.config["models"]["ecg_encoder"]
    return Ensemble(
        {name: _fits(release, name, about, sizes) for name, about in release.config["targets"].items()}
    ).eval()


def _fits(release: Release, target: str, about: Mapping[str, Any], sizes: Mapping[str, Any]) -> Fits:
    networks = []
    for seed in about["seeds"]:
        outputs = len(about["outputs"]) if is_regression(target) else 2
        with torch.device("meta"), as_input_error(target):
            network = EcgPredictor(EcgEncoder(**sizes), outputs, about["pooling"])
        networks.append(_load(network, release.state(key_of(target, seed)), f"{target}, seed {seed}"))
    return Fits(networks, about["evaluation_crops"], about.get("scale"))


def build_encoder(release: Release) -> EcgEncoder:
    """Return the pre-trained encoder of a release, for embeddings, in evaluation mode.

    Raises:
        InputError: if the release has none, or one of another size.
    """
    state = release.state(EMBEDDING)
    if not state:
        raise InputError(f"the release {release.name} has no pre-trained encoder, so it gives no embeddings")
    with torch.device("meta"), as_input_error(EMBEDDING):
        encoder = EcgEncoder(**release.config["models"]["ecg_encoder"])
    return _load(encoder, state, EMBEDDING).eval()


@contextmanager
def as_input_error(what: str) -> Iterator[None]:
    """Report in one line that config.json describes an invalid network, whatever torch and timm raise."""
    try:
        yield
    except Exception as error:
        raise InputError(f"config.json: there is no such network ({what}): {one_line(error)[:100]}") from error


def _load(network: Network, state: Mapping[str, Tensor], what: str) -> Network:
    """Return a network created on the meta device, with these weights assigned."""
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"model.safetensors does not fit config.json ({what}): {first}") from error
    return network.requires_grad_(False)


@torch.inference_mode()
def predict(ensemble: Ensemble, ecg: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each target (seeds, n, outputs) float64 of cleaned ECGs (n, 12, recorded samples)."""
    outputs = ensemble(torch.from_numpy(np.ascontiguousarray(ecg, np.float32)))
    return {name: values.double().numpy() for name, values in zip(ensemble.targets, outputs, strict=True)}


@torch.inference_mode()
def embed(encoder: EcgEncoder, ecg: np.ndarray) -> np.ndarray:
    """Return embeddings (n, dim) float32 of cleaned ECGs (n, 12, recorded samples), of their first samples."""
    return encoder(torch.from_numpy(np.ascontiguousarray(ecg[..., : encoder.samples], np.float32))).numpy()
