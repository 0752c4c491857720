"""Augmentations of 12-lead ECGs, on whole batches and on the batch's device (paper §IV-C.2).

The order is random crop, Fourier-transform surrogate, Gaussian noise, amplitude rescaling.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cmr2ecg.augment.draw import Generator, drawn, in_pieces, normal, on_share, uniform

# The authors' noise is 0.6 x N(0, sigma) times the signal itself; the paper says only "Gaussian noise".
MULTIPLICATIVE_SHARE = 0.6


def random_crop(x: Tensor, samples: int, generator: Generator) -> Tensor:
    """Cut `samples` samples from each record, from a start of its own: (B, leads, T) -> (B, leads, samples).

    Raises ValueError if the records are shorter than that.
    """
    length = x.shape[2]
    if length < samples:
        raise ValueError(f"records of {length} samples are too short for a crop of {samples}")
    if len(x) == 0:
        return x[..., :samples]
    choices = length - samples + 1
    starts = drawn(partial(torch.randint, choices), (len(x),), generator).tolist()
    # Slices copy whole runs of memory: twice as fast as gathering sample by sample.
    return torch.stack([record[:, start : start + samples] for record, start in zip(x, starts, strict=True)])


def shift_phases(x: Tensor, phase_uniform: Tensor, magnitude: float) -> Tensor:
    """Turn the phase of frequency k by magnitude x 2 pi x u(k), the same for all leads.

    x: (..., leads, T). phase_uniform: u in [0, 1), (..., (T - 1) // 2), for the frequencies above zero and
    below Nyquist; those two must stay real and are not touched. Amplitudes do not change.
    """
    spectrum = torch.fft.rfft(x.float())
    angle = phase_uniform.to(x.device, torch.float32) * (2 * torch.pi * magnitude)
    spectrum[..., 1 : 1 + angle.shape[-1]] *= torch.polar(torch.ones_like(angle), angle).unsqueeze(-2)
    return torch.fft.irfft(spectrum, n=x.shape[-1])


def fourier_surrogate(x: Tensor, magnitude: float, probability: float, generator: Generator) -> Tensor:
    """Give each record (B, leads, T), with this probability, random phases shared by its leads.

    Source: Schreiber and Schmitz 2000; magnitude 1 is a full surrogate, the paper has 0.1 and 0.075.
    """

    def change(chosen: Tensor) -> Tensor:
        frequencies = (chosen.shape[-1] - 1) // 2
        return shift_phases(chosen, uniform((len(chosen), frequencies), generator, x.device), magnitude)

    return on_share(x.float(), probability, generator, change)


def add_noise(x: Tensor, sigma: float, kind: str, generator: Generator) -> Tensor:
    """Add Gaussian noise, drawn for every sample of every lead, to x (B, leads, T).

    kind "additive": x + N(0, sigma), sigma in the signal's (normalised) unit.
    kind "multiplicative": x + 0.6 x N(0, sigma), as in the authors' code. Raises ValueError for another kind.
    """
    noise = normal(x.shape, generator, x.device)
    if kind == "additive":
        return noise.mul_(sigma).add_(x)
    if kind == "multiplicative":
        return noise.mul_(MULTIPLICATIVE_SHARE * sigma).add_(1).mul_(x)
    raise ValueError(f"noise_kind is {kind!r}; expected additive or multiplicative")


def rescale(x: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Multiply each record of x (B, leads, T) by one number from N(1, sigma), the same for all leads."""
    return x * (1 + sigma * normal((len(x), 1, 1), generator, x.device))


def augment_ecg(x: Tensor, settings: Mapping[str, Any], generator: Generator, probability: float = 1.0) -> Tensor:
    """Apply surrogate, noise and rescaling to x (B, leads, T); the crop comes before, by `random_crop`.

    settings: surrogate (magnitude), surrogate_probability, noise (sigma), noise_kind, rescale (sigma).
    probability: share of the records that are augmented at all. Returns float32; x is not changed.
    """

    def chain(chosen: Tensor) -> Tensor:
        chosen = fourier_surrogate(chosen, settings["surrogate"], settings["surrogate_probability"], generator)
        chosen = add_noise(chosen, settings["noise"], settings["noise_kind"], generator)
        return rescale(chosen, settings["rescale"], generator)

    return on_share(x.float(), probability, generator, lambda chosen: in_pieces(chosen, chain, generator))
