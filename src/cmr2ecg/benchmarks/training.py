"""Training steps at the paper's size against plain fp32 steps with unfused attention."""

import time
from collections.abc import Callable
from statistics import median

import torch
from timm.layers import set_fused_attn
from torch import Tensor, nn

from cmr2ecg.losses.masked_reconstruction import reconstruction_loss
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.vit import EcgEncoder, patchify
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import adamw, parameter_groups, set_rate

BATCH, REPEATS = 32, 5


def run() -> list[dict]:
    """Return the row mae_step_vs_plain (samples a second, batch 32)."""
    device = pick_device("auto")
    precision = pick_precision("auto", device)
    ecg = torch.randn(BATCH, 12, 2500, device=device)
    rows = []
    for name, build in (("mae_step_vs_plain", mae_step),):
        pick_attention(device, precision)
        ours = build(ecg, precision, fused_optimizer=True)
        set_fused_attn(False)
        plain = build(ecg, "fp32", fused_optimizer=False)
        seconds = side_by_side(ours, plain)
        rows.append(
            {
                "name": name,
                "ours": BATCH / seconds[0],
                "plain": BATCH / seconds[1],
                "unit": "samples/s",
                "ratio": seconds[1] / seconds[0],
                "note": f"{device.type}, {precision}, {torch.get_num_threads()} threads, paper's size, batch {BATCH}",
            }
        )
    return rows


def side_by_side(ours: Callable[[], None], plain: Callable[[], None]) -> tuple[float, float]:
    """Return the median seconds of each, run in turn after one warm-up."""
    times: list[list[float]] = [[], []]
    for repeat in range(REPEATS + 1):
        for kept, step in zip(times, (ours, plain), strict=True):
            before = time.perf_counter()
            step()
            if repeat:
                kept.append(time.perf_counter() - before)
    return median(times[0]), median(times[1])


def mae_step(ecg: Tensor, precision: str, *, fused_optimizer: bool) -> Callable[[], None]:
    """Return one masked-autoencoder step: mask 0.8, loss over all patches, AdamW."""
    model = MaskedAutoencoder(EcgEncoder()).to(ecg.device)
    target = patchify(ecg, 100)

    def loss() -> Tensor:
        noise = torch.rand(len(ecg), 300, device=ecg.device)
        prediction, mask = model(ecg, noise, 0.8)
        return reconstruction_loss(
            prediction, target, mask, patches="all_patches", ncc_weight=0.0, signal_shape=model.encoder.grid
        )

    return step_of(model, loss, precision, fused_optimizer)


def step_of(model: nn.Module, loss: Callable[[], Tensor], precision: str, fused_optimizer: bool) -> Callable[[], None]:
    """Return forward, backward and update as one call."""
    device = next(model.parameters()).device
    groups = parameter_groups(model, 0.1)
    optimizer = adamw(groups, 1e-4, (0.9, 0.95)) if fused_optimizer else torch.optim.AdamW(groups, foreach=False)
    set_rate(optimizer, 1e-4)

    def step() -> None:
        with autocast(device, precision):
            value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step
