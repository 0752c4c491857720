"""Pre-training steps at the paper's size against plain fp32 steps, and how near they come to the machine's limit.

A step is all of it: crop, augmentation, forward, backward, update. Plain is fp32 with unfused attention, an optimiser
that goes tensor by tensor, and images in the usual memory layout. Steps take turns, since the machine may be busy.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache
from statistics import median

import torch
from timm.layers import set_fused_attn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cmr2ecg.benchmarks.rows import alone
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective

MAE_BATCH, MMCL_BATCH, REPEATS = 64, 16, 5
SIDE = 2048  # of the square matrices whose product is the limit
Step = Callable[[], None]


class TwiceEncoded(MaeObjective):
    """The masked autoencoder with a second pass of all patches through the encoder, as the authors' head commit has."""

    def loss(self, ecg: Tensor, noise: Tensor) -> Tensor:
        """Return the loss; the second encoding takes part with weight 0, so that it costs what it costs."""
        return super().loss(ecg, noise) + 0 * self.autoencoder.encoder(ecg).float().sum()


def run() -> Iterator[dict]:
    """Yield mae_step_vs_plain, mae_step_vs_plain_twice, mmcl_step_vs_plain, and shares of the matrix-product peak."""
    pretrain = paper_settings()["pretrain"]
    steps = [build(MaeObjective, pretrain["mae"], MAE_BATCH, plain=plain) for plain in (False, True)]
    steps.append(build(TwiceEncoded, pretrain["mae"], MAE_BATCH, plain=True))
    times = side_by_side(*steps)
    yield compared("mae_step_vs_plain", times[0], times[1], MAE_BATCH, f"{where()}; plain encodes once")
    yield compared("mae_step_vs_plain_twice", times[0], times[2], MAE_BATCH, f"{where()}; plain encodes twice")
    yield from shares("mae", steps[:2], times)
    steps = [build(MmclObjective, pretrain["mmcl"], MMCL_BATCH, plain=plain) for plain in (False, True)]
    times = side_by_side(*steps)
    yield compared("mmcl_step_vs_plain", *times, MMCL_BATCH, f"{where()}; ResNet50 at 210 pixels")
    yield from shares("mmcl", steps, times)


def where() -> str:
    """Return device, precision and threads of our steps."""
    device = pick_device("auto")
    return f"{device.type}, {pick_precision('auto', device)}, {torch.get_num_threads()} threads, paper's size"


def build(objective: type[nn.Module], settings: dict, batch: int, *, plain: bool) -> Step:
    """Return one training step of an objective at the paper's size, on made-up data."""
    device = pick_device("auto")
    precision = pick_precision("auto", device)
    set_fused_attn(False) if plain else pick_attention(device, precision)
    model = objective(paper_settings()["models"], settings).to(device)
    if plain:
        model.to(memory_format=torch.contiguous_format)
    return step_of(model, made_up(batch, device), "fp32" if plain else precision, plain=plain)


def shares(name: str, steps: list[Step], times: list[float]) -> Iterator[dict]:
    """Yield the shares of the matrix-product peak of our step and, where its precision is another, of the plain one."""
    precision = pick_precision("auto", pick_device("auto"))
    kinds = [precision] if precision == "fp32" else [precision, "fp32"]
    for kind, step, seconds in zip(kinds, steps, times, strict=False):
        yield of_peak(f"{name}_step_{kind}_of_peak", gflop(step), seconds, matmul_gflops(kind))


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
    after_step = getattr(objective, "after_step", None)

    def step() -> None:
        prepared = objective.prepare(batch, generator, augment=True)
        if plain:
            prepared = tuple(value.contiguous() for value in prepared)
        with autocast(device, precision):
            value = objective.loss(*prepared)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if after_step:
            after_step(0.5)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def side_by_side(*steps: Step, repeats: int = REPEATS) -> list[float]:
    """Return the median seconds of each step, run one after the other after one warm-up."""
    times: list[list[float]] = [[] for _ in steps]
    for repeat in range(repeats + 1):
        for kept, step in zip(times, steps, strict=True):
            before = time.perf_counter()
            step()
            if repeat:
                kept.append(time.perf_counter() - before)
    return [median(kept) for kept in times]


@cache
def matmul_gflops(precision: str) -> float:
    """Return the most GFLOP/s that this machine reaches in a product of large square matrices."""
    device = pick_device("auto")
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


if __name__ == "__main__":
    alone(run, __doc__)
