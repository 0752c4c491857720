"""Pre-training steps at the paper's size against plain fp32 steps, and how near they come to the machine's limit.

A step is all of it: crop, augmentation, forward, backward, update. Plain is fp32 with unfused attention, an optimiser
that goes tensor by tensor, and images in the usual memory layout; the best alternative is plain in our precision.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from statistics import median

import torch
from paper_settings import paper_settings
from timm.layers import set_fused_attn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.rows import compared, seconds_of
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

MAE_BATCH, ECG_BATCH, MMCL_BATCH, CMR_BATCH = 64, 16, 16, 8
ROUNDS, CONTRASTIVE_ROUNDS = 5, 3
SIDE = 2048  # of the square matrices whose product is the limit
CONTRASTIVE = list(OBJECTIVES)
Step = Callable[[], None]


class TwiceEncoded(MaeObjective):
    """The masked autoencoder with a second pass of all patches through the encoder, as the authors' head commit has."""

    def loss(self, ecg: Tensor, noise: Tensor) -> Tensor:
        """Return the loss; the second encoding takes part with weight 0, so that it costs what it costs."""
        return super().loss(ecg, noise) + 0 * self.autoencoder.encoder(ecg).float().sum()


def run() -> Iterator[dict]:
    """Yield NAME_step_vs_plain (samples a second) and NAME_step_PRECISION_of_peak of every pre-training."""
    pretrain = paper_settings()["pretrain"]
    encodes = "plain encodes once", "plain encodes twice"
    yield from rows_of("mae", MaeObjective, pretrain["mae"], MAE_BATCH, encodes, ROUNDS, twice=TwiceEncoded)
    yield from rows_of("mmcl", MmclObjective, pretrain["mmcl"], MMCL_BATCH, ("ResNet50 at 210 pixels",), ROUNDS)
    for name in CONTRASTIVE:
        yield from rows_of(name, OBJECTIVES[name], pretrain["contrastive"][name], ECG_BATCH)
    yield from rows_of("cmr", CmrSimclrObjective, pretrain["cmr"], CMR_BATCH)


def rows_of(
    name: str,
    objective: type[nn.Module],
    settings: dict,
    batch: int,
    notes: Sequence[str] = (),
    rounds: int = 0,
    twice: type[nn.Module] | None = None,
) -> Iterator[dict]:
    """Yield the rows of one objective; those with `rounds` of their own have the plain step's share of the peak too."""
    precision = pick_precision("auto", pick_device("auto"))
    make = partial(build, settings=settings, batch=batch)
    steps = [make(objective), make(objective, plain=True), make(objective, plain=True, precision=precision)]
    steps += [make(twice, plain=True)] if twice else []
    ours, plain, best, *twice_s = seconds_of(*steps, rounds=rounds or CONTRASTIVE_ROUNDS, pick=median)
    where = "; ".join([describe(precision), *notes[:1]])
    also = f"best alternative: plain in {precision}, {batch / best:.3g}"
    yield vs_plain(f"{name}_step_vs_plain", ours, plain, batch, f"{where}, batch {batch}; {also}")
    for seconds in twice_s:
        where = "; ".join([describe(precision), notes[1]])
        yield vs_plain(f"{name}_step_vs_plain_twice", ours, seconds, batch, f"{where}, batch {batch}")
    yield of_peak(name, precision, steps[0], ours)
    if rounds and precision != "fp32":
        yield of_peak(name, "fp32", steps[1], plain)


def vs_plain(name: str, ours: float, plain: float, batch: int, note: str) -> dict:
    """Return a row from the seconds of two steps."""
    return compared(name, batch / ours, batch / plain, "samples/s", note)


def describe(precision: str) -> str:
    """Return device, precision and threads of our steps."""
    return f"{pick_device('auto').type}, {precision}, {torch.get_num_threads()} threads, paper's size"


def build(
    objective: type[nn.Module], settings: dict, batch: int, *, plain: bool = False, precision: str | None = None
) -> Step:
    """Return one training step of an objective at the paper's size, on made-up data in the loader's shapes."""
    device = pick_device("auto")
    ours = pick_precision("auto", device)
    set_fused_attn(False) if plain else pick_attention(device, ours)
    model = objective(paper_settings()["models"], settings).to(device)
    generator, optimizer = torch.Generator(device).manual_seed(0), pretraining_optimizer(model, settings)
    if plain:
        model.to(memory_format=torch.contiguous_format)
        optimizer = torch.optim.AdamW(optimizer.param_groups, foreach=False, fused=False)
    set_rate(optimizer, 1e-4)
    after_step = getattr(model, "after_step", None) or (lambda _: None)
    data = {"ecg": torch.randn(batch, 12, 5000, device=device)}
    data["cmr"] = torch.rand(batch, 3, 210, 210, device=device).half()

    def step() -> None:
        prepared = model.prepare(data, generator, augment=True)
        if plain:
            prepared = tuple(value.contiguous() for value in prepared)
        with autocast(device, precision or ("fp32" if plain else ours)):
            loss = model.loss(*prepared)
        update(optimizer, loss)
        after_step(0.5)

    return step


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Go one step down and wait for the device."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loss.device.type == "cuda":
        torch.cuda.synchronize()


def of_peak(name: str, precision: str, step: Step, seconds: float) -> dict:
    """Return the row that sets the GFLOP/s of a step, forwards and backwards, beside those of a matrix product."""
    with FlopCounterMode(display=False) as counter:
        step()
    gflop = counter.get_total_flops() / 1e9
    note = f"{gflop:.0f} GFLOP a step; plain: product of {SIDE} x {SIDE} matrices in the same precision"
    reached = gflop / seconds
    return compared(f"{name}_step_{precision}_of_peak", reached, matmul_gflops(precision), "GFLOP/s", note)


@cache
def matmul_gflops(precision: str) -> float:
    """Return the most GFLOP/s that this machine reaches in a product of large square matrices."""
    device = pick_device("auto")
    a = torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)

    def product() -> None:
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()

    return 2 * SIDE**3 / seconds_of(product, rounds=ROUNDS)[0] / 1e9
