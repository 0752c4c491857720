"""Fine-tuning steps at the paper's size: against a plain fp32 step, and seeds in turn against one batched model."""

import copy
from collections.abc import Callable, Iterator
from statistics import median

import torch
from timm.layers import Attention, AttentionPool2d, set_fused_attn
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from bench.rows import seconds_of
from bench.training import describe, of_peak, update, vs_plain
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import adamw, parameter_groups, set_rate

BATCH, SEED_BATCH, ROUNDS = 32, 16, 5  # the paper's config has 16
SEEDS = [0, 101, 202, 303, 404]


def run() -> Iterator[dict]:
    """Yield finetune_step_vs_plain, its share of the matrix-product peak, and seed_loop_vs_batched (samples/s)."""
    device = pick_device("auto")
    precision = pick_precision("auto", device)
    yield from plain_step(device, precision)
    yield seed_loop(device, precision)


class PlainPool(nn.Module):
    """timm's attention pooling, which attends from every token."""

    def __init__(self, encoder: EcgEncoder) -> None:
        super().__init__()
        self.grid = encoder.grid
        self.pool = AttentionPool2d(encoder.embed_dim, feat_size=encoder.grid, num_heads=6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, dim) of (batch, n, dim)."""
        return self.pool(tokens.transpose(1, 2).unflatten(2, self.grid))


def plain_step(device: torch.device, precision: str) -> Iterator[dict]:
    """Plain has unfused attention and optimiser, and pools from every token, in fp32; the best alternative in ours."""
    ecg = torch.randn(BATCH, 12, 2500, device=device)
    pick_attention(device, precision)
    steps = [step_of(EcgPredictor(EcgEncoder(drop_path=0.2), 2).to(device), ecg, precision)]
    set_fused_attn(False)
    for kind in ("fp32", precision):
        model = EcgPredictor(EcgEncoder(drop_path=0.2), 2)
        model.attention_pool = PlainPool(model.encoder)
        steps.append(step_of(model.to(device), ecg, kind, fused=False))
    ours, plain, best = seconds_of(*steps, rounds=ROUNDS, pick=median)
    note = f"{describe(precision)}, batch {BATCH}; best alternative: plain in {precision}, {BATCH / best:.3g}"
    yield vs_plain("finetune_step_vs_plain", ours, plain, BATCH, note)
    yield of_peak("finetune", precision, steps[0], ours)


def step_of(model: EcgPredictor, ecg: Tensor, precision: str, *, fused: bool = True) -> Callable[[], None]:
    """Return forward, backward and update as one call."""
    groups = parameter_groups(model, 0.2, 0.75, model.layer_of)
    optimizer = adamw(groups, 1e-4, (0.9, 0.999)) if fused else torch.optim.AdamW(groups, foreach=False)
    set_rate(optimizer, 1e-4)
    labels = torch.arange(len(ecg), device=ecg.device) % 2

    def step() -> None:
        with autocast(ecg.device, precision):
            outputs = model(ecg)
        update(optimizer, cross_entropy(outputs.float(), labels, label_smoothing=0.2))

    return step


def seed_loop(device: torch.device, precision: str) -> dict:
    """Time a step of five models one after the other (ours) and as one batched model."""
    pick_attention(device, precision)
    models = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        models.append(EcgPredictor(EcgEncoder(), 2).to(device))
    ecg = torch.randn(len(SEEDS), SEED_BATCH, 12, 2500, device=device)
    batched = batched_step(models, ecg, precision)
    steps = [step_of(model, own, precision) for model, own in zip(models, ecg, strict=True)]
    ours, plain = seconds_of(lambda: [step() for step in steps], batched, rounds=ROUNDS, pick=median)
    note = f"{device.type}, {precision}, paper's size, 5 seeds x batch {SEED_BATCH}; plain: torch.func.vmap"
    return vs_plain("seed_loop_vs_batched", ours, plain, len(SEEDS) * SEED_BATCH, note)


def batched_step(models: list[EcgPredictor], ecg: Tensor, precision: str) -> Callable[[], None]:
    """Return one step of all models at once: weights stacked along a new first axis, one fused AdamW over the stack."""
    models = copy.deepcopy(models)
    for block in (block for model in models for block in model.encoder.blocks):
        block.attn.__class__ = Attention  # attention in pieces is an autograd.Function, which vmap does not take
    weights, buffers = stack_module_state(models)
    weights = {name: value.detach() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(list(weights.values()), lr=1e-4, weight_decay=0.2, fused=True)
    labels = torch.arange(ecg.shape[1], device=ecg.device) % 2

    def loss(own: dict[str, Tensor], own_buffers: dict[str, Tensor], batch: Tensor) -> Tensor:
        with autocast(ecg.device, precision):
            outputs = functional_call(models[0], (own, own_buffers), (batch,))
        return cross_entropy(outputs.float(), labels, label_smoothing=0.2)

    gradients = vmap(grad(loss), in_dims=(0, 0, 0), randomness="different")

    def step() -> None:
        for name, value in gradients(weights, buffers, ecg).items():
            weights[name].grad = value
        optimizer.step()
        if ecg.device.type == "cuda":
            torch.cuda.synchronize()

    return step
