"""Augmentations that make two views of one ECG, for the contrastive baselines (paper §IV-D.1; values: authors).

The order is that of `augment_ecg`, then time flip, sign flip and a masked spectrogram.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cmr2ecg.augment.draw import Generator, in_pieces, on_share, uniform
from cmr2ecg.augment.ecg import augment_ecg

HOPS = 4  # the windows of the spectrogram overlap by three quarters, torch's and the authors' default


def time_flip(x: Tensor, probability: float, generator: Generator) -> Tensor:
    """Turn each record of x (B, leads, T), with this probability, round in time."""
    return on_share(x, probability, generator, lambda chosen: chosen.flip(-1))


def sign_flip(x: Tensor, probability: float, generator: Generator) -> Tensor:
    """Change the sign of each record of x (B, leads, T) with this probability."""
    return on_share(x, probability, generator, torch.neg)


def mask_spectrogram(x: Tensor, share: float, window: int, generator: Generator) -> Tensor:
    """Blank a band of frequencies or, as often, a stretch of time in the spectrogram of each record (B, leads, T).

    share: of the spectrogram's frequencies or windows; the band is the same for all leads of a record.
    window: samples of a window of the short-time Fourier transform, rectangular, at least HOPS.
    Source: Park et al. 2019 (SpecAugment), without warping. Returns float32 of x's shape.
    """
    batch, leads, samples = x.shape
    if batch == 0 or share == 0:
        return x.float()
    flat, hop, box = x.float().reshape(-1, samples), window // HOPS, torch.ones(window, device=x.device)
    spectrum = torch.stft(flat, window, hop, window=box, return_complex=True)
    frequencies, windows = spectrum.shape[1:]
    spectrum = spectrum.view(batch, leads, frequencies, windows)
    in_time = uniform((batch,), generator, x.device) >= 0.5
    place = uniform((batch,), generator, x.device)
    spectrum = spectrum * ~(_band(frequencies, share, place) & ~in_time[:, None])[:, None, :, None]
    spectrum = spectrum * ~(_band(windows, share, place) & in_time[:, None])[:, None, None, :]
    flat = torch.istft(spectrum.view(-1, frequencies, windows), window, hop, window=box, length=samples)
    return flat.view(batch, leads, samples)


def _band(bins: int, share: float, place: Tensor) -> Tensor:
    """Return (B, bins), true in a run of int(bins x share) bins whose start is drawn evenly by place (B,) in [0, 1)."""
    width = int(bins * share)
    start = (place * (bins - width + 1)).long()[:, None]
    position = torch.arange(bins, device=place.device)
    return (position >= start) & (position < start + width)


def augment_view(x: Tensor, settings: Mapping[str, Any], generator: Generator, probability: float = 1.0) -> Tensor:
    """Apply the whole chain to x (B, leads, T); the crop comes before, by `random_crop`.

    settings: those of `augment_ecg`, and time_flip, sign_flip (probabilities), spectrogram_mask (share of its bins),
    spectrogram_window (samples). probability: share of the records that are augmented at all.
    Returns float32; x is not changed.
    """

    def chain(chosen: Tensor) -> Tensor:
        chosen = augment_ecg(chosen, settings, generator)
        chosen = time_flip(chosen, settings["time_flip"], generator)
        chosen = sign_flip(chosen, settings["sign_flip"], generator)
        return mask_spectrogram(chosen, settings["spectrogram_mask"], settings["spectrogram_window"], generator)

    return on_share(x.float(), probability, generator, lambda chosen: in_pieces(chosen, chain, generator))
