"""Figure 2: what masked data modelling sees, what it makes of it, and what was there (§III-A)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.loading.labels import split_eids
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.vit import EcgEncoder, patchify
from cmr2ecg.report.figures.sheets import read_rows
from cmr2ecg.report.figures.style import MODELS, RC
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.checkpoint import load_weights

SPLIT = "val"
SHADE, OURS = "0.88", MODELS["mmcl"][0]


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure of one validation subject, drawn at random.

    Inputs: autoencoder (autoencoder.safetensors of pretrain_mae), dataset, split. Settings: models (ecg_encoder,
    mae_decoder), mask_ratio, leads (names), seed (of the subject and the mask), sampling_rate_hz.
    """
    chosen = [LEADS.index(lead) for lead in settings["leads"]]
    (dataset,), (split,), (weights,) = inputs["dataset"], inputs["split"], inputs["autoencoder"]
    rng = np.random.default_rng(settings["seed"])
    eid = rng.choice(np.sort(split_eids(split, SPLIT)))
    autoencoder = load_autoencoder(weights, settings["models"])
    samples = autoencoder.encoder.samples
    record = read_rows(dataset, "ecg", np.array([eid]))[0][:, :samples]
    noise = rng.random((1, int(np.prod(autoencoder.encoder.grid))))
    made, hidden = reconstruct(autoencoder, record, noise, settings["mask_ratio"])
    time = np.arange(samples) / settings["sampling_rate_hz"]
    with rc_context(RC):
        figure = Figure(figsize=(10.5, 0.95 * len(chosen) + 0.9), layout="constrained")
        panels = figure.subplots(len(chosen), 3, sharex=True, sharey="row", squeeze=False)
        for row, lead in zip(panels, chosen, strict=True):
            draw_lead(row, time, record[lead], made[lead], hidden[lead])
            row[0].set_ylabel(LEADS[lead], rotation=0, ha="right", va="center")
        error = float(np.square(made - record)[hidden].mean())
        titles = (
            f"Masked ({hidden.mean():.0%} of patches hidden)",
            f"Reconstructed (error of hidden patches {error:.2f} SD²)",
            "Original",
        )
        for panel, title in zip(panels[0], titles, strict=True):
            panel.set_title(title)
        figure.supxlabel("Time [s]", fontsize=9)
        figure.supylabel("Lead; amplitude [SD of its lead group]", fontsize=9)
    return figure


def load_autoencoder(weights: Path, models: Mapping[str, Any]) -> MaskedAutoencoder:
    """Return the trained autoencoder, in evaluation mode."""
    autoencoder = MaskedAutoencoder(EcgEncoder(**models["ecg_encoder"]), **models["mae_decoder"])
    load_weights(weights, autoencoder)
    return autoencoder.eval()


@torch.inference_mode()
def reconstruct(
    autoencoder: MaskedAutoencoder, record: np.ndarray, noise: np.ndarray, mask_ratio: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reconstruction (leads, samples) and which samples were hidden (leads, samples) of one ECG.

    Args:
        autoencoder: in evaluation mode.
        record: (leads, samples).
        noise: (1, patches) uniform numbers; the lowest stay visible.
        mask_ratio: share of patches hidden.

    Raises:
        InputError: if the record is shorter than the encoder's input.
    """
    encoder = autoencoder.encoder
    if record.shape != (encoder.leads, encoder.samples):
        raise InputError(f"an ECG of {record.shape} samples does not fit models.ecg_encoder; check leads and samples")
    ecg = torch.from_numpy(np.ascontiguousarray(record, np.float32))[None]
    patches, mask = autoencoder(ecg, torch.from_numpy(noise).float(), mask_ratio)
    hidden = mask[..., None].expand_as(patchify(ecg, encoder.patch)).reshape(record.shape)
    return patches.float().reshape(record.shape).numpy(), hidden.numpy() > 0.5


def draw_lead(panels: np.ndarray, time: np.ndarray, lead: np.ndarray, made: np.ndarray, hidden: np.ndarray) -> None:
    """Draw one lead three times: with its hidden patches shaded, reconstructed over the original, and as it was."""
    panels[0].plot(time, np.where(hidden, np.nan, lead), color="black", linewidth=0.8)
    panels[1].plot(time, lead, color="0.45", linewidth=0.6)
    panels[1].plot(time, made, color=OURS, linewidth=1.0)
    panels[2].plot(time, lead, color="black", linewidth=0.8)
    for panel in panels[:2]:
        shade(panel, time, hidden)
    for panel in panels:
        panel.set_xlim(0, time[-1])


def shade(axes: Axes, time: np.ndarray, hidden: np.ndarray) -> None:
    """Shade the hidden stretches of time."""
    step = time[1] - time[0]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hidden, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        axes.axvspan(start * step, stop * step, color=SHADE, linewidth=0, zorder=0)
