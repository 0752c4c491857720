"""Pre-training steps at the paper's size against plain fp32 steps, and how near they come to the machine's limit.

A step is all of it: crop, augmentation, forward, backward, update. Plain is fp32 with unfused attention, an optimiser
that goes tensor by tensor, and images in the usual memory layout. Steps take turns, since the machine may be busy.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from timm.layers import set_fused_attn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.mae import MaeObjective
from cmr2ecg.training.mmcl import MmclObjective
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate

MAE_BATCH, MMCL_BATCH, REPEATS = 64, 16, 5
SIDE = 2048  # of the square matrices whose product is the limit
Step = Callable[[], None]


class TwiceEncoded(MaeObjective):
    """The masked autoencoder with a second pass of all patches through the encoder, as the authors' head commit has."""

    def loss(self, ecg: Tensor, noise: Tensor) -> Tensor:
        """Return the loss; the second encoding takes part with weight 0, so that it costs what it costs."""
        return super().loss(ecg, noise) + 0 * self.autoencoder.encoder(ecg).float().sum()


def run() -> list[dict]:
    """Return mae_step_vs_plain, mae_step_vs_plain_twice, mmcl_step_vs_plain, and shares of the matrix-product peak."""
    config, device = paper_settings(), pick_device("auto")
    precision = pick_precision("auto", device)
    peak = {name: matmul_gflops(device, name) for name in ("fp32", "bf16")}

    def build(objective: type[nn.Module], section: str, batch: int, *, plain: bool) -> Step:
        set_fused_attn(False) if plain else pick_attention(device, precision)
        model = objective(config["models"], config["pretrain"][section]).to(device)
        if plain:
            model.to(memory_format=torch.contiguous_format)
        return step_of(model, made_up(batch, device), "fp32" if plain else precision, plain=plain)

    mae = [build(MaeObjective, "mae", MAE_BATCH, plain=plain) for plain in (False, True)]
    mae.append(build(TwiceEncoded, "mae", MAE_BATCH, plain=True))
    mae_times = side_by_side(*mae)
    mmcl = [build(MmclObjective, "mmcl", MMCL_BATCH, plain=plain) for plain in (False, True)]
    mmcl_times = side_by_side(*mmcl)
    where = f"{device.type}, {precision}, {torch.get_num_threads()} threads, paper's size"
    rows = [
        compared("mae_step_vs_plain", mae_times[0], mae_times[1], MAE_BATCH, f"{where}; plain encodes once"),
        compared("mae_step_vs_plain_twice", mae_times[0], mae_times[2], MAE_BATCH, f"{where}; plain encodes twice"),
        compared("mmcl_step_vs_plain", *mmcl_times, MMCL_BATCH, f"{where}; ResNet50 at 210 pixels"),
    ]
    for name, steps, times in (("mae", mae, mae_times), ("mmcl", mmcl, mmcl_times)):
        rows += [
            of_peak(f"{name}_step_{kind}_of_peak", gflop(step), seconds, peak[kind])
            for kind, step, seconds in zip((precision, "fp32"), steps, times, strict=False)
        ]
    return rows


def made_up(batch: int, device: torch.device) -> dict[str, Tensor]:
    """Return records and images in the shapes that the loader gives."""
    ecg = torch.randn(batch, 12, 5000, device=device)
    return {"ecg": ecg, "cmr": torch.rand(batch, 3, 210, 210, device=device).half()}


def step_of(objective: nn.Module, batch: dict[str, Tensor], precision: str, *, plain: bool) -> Step:
    """Return one training step as a call."""
    device = next(objective.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    optimizer = pretraining_optimizer(objective, objective.settings)
    if plain:
        optimizer = torch.optim.AdamW(optimizer.param_groups, foreach=False, fused=False)
    set_rate(optimizer, 1e-4)

    def step() -> None:
        prepared = objective.prepare(batch, generator, augment=True)
        if plain:
            prepared = tuple(value.contiguous() for value in prepared)
        with autocast(device, precision):
            value = objective.loss(*prepared)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def side_by_side(*steps: Step) -> list[float]:
    """Return the median seconds of each step, run one after the other after one warm-up."""
    times: list[list[float]] = [[] for _ in steps]
    for repeat in range(REPEATS + 1):
        for kept, step in zip(times, steps, strict=True):
            before = time.perf_counter()
            step()
            if repeat:
                kept.append(time.perf_counter() - before)
    return [median(kept) for kept in times]


def matmul_gflops(device: torch.device, precision: str) -> float:
    """Return the most GFLOP/s that this machine reaches in a product of large square matrices."""
    a = torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    best = 0.0
    for _ in range(REPEATS):
        before = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * SIDE**3 / (time.perf_counter() - before) / 1e9)
    return best


def gflop(step: Step) -> float:
    """Return the GFLOP of the matrix products and convolutions in one step, forwards and backwards."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9


def compared(name: str, ours: float, plain: float, batch: int, note: str) -> dict:
    """Return one row from the seconds of two steps."""
    row = {"name": name, "ours": batch / ours, "plain": batch / plain, "unit": "samples/s", "ratio": plain / ours}
    return {**row, "note": f"{note}, batch {batch}"}


def of_peak(name: str, work: float, seconds: float, peak: float) -> dict:
    """Return one row that sets the GFLOP/s of a step beside those of a matrix product; 1 is the limit."""
    reached = work / seconds
    note = f"{work:.0f} GFLOP a step; plain: product of {SIDE} x {SIDE} matrices in the same precision"
    return {"name": name, "ours": reached, "plain": peak, "unit": "GFLOP/s", "ratio": reached / peak, "note": note}
