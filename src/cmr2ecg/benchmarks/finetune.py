"""A fine-tuning step at the paper's size against a plain fp32 step with unfused attention and optimiser."""

from collections.abc import Callable

import torch
from timm.layers import AttentionPool2d, set_fused_attn
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cmr2ecg.benchmarks.rows import alone
from cmr2ecg.benchmarks.training import gflop, matmul_gflops, of_peak, side_by_side
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision
from cmr2ecg.training.optimizer import adamw, parameter_groups, set_rate

BATCH = 32


def run() -> list[dict]:
    """Return the row finetune_step_vs_plain (samples a second, batch 32) and its share of the matrix-product peak."""
    device = pick_device("auto")
    precision = pick_precision("auto", device)
    ecg = torch.randn(BATCH, 12, 2500, device=device)
    labels = torch.arange(BATCH, device=device) % 2
    pick_attention(device, precision)
    model = EcgPredictor(EcgEncoder(drop_path=0.2), 2).to(device)
    ours = step_of(model, ecg, labels, precision, fused=True)
    set_fused_attn(False)
    model = EcgPredictor(EcgEncoder(drop_path=0.2), 2)
    model.attention_pool = PlainPool(model.encoder)
    plain = step_of(model.to(device), ecg, labels, "fp32", fused=False)
    seconds = side_by_side(ours, plain)
    reached = of_peak(f"finetune_step_{precision}_of_peak", gflop(ours), seconds[0], matmul_gflops(precision))
    return [
        {
            "name": "finetune_step_vs_plain",
            "ours": BATCH / seconds[0],
            "plain": BATCH / seconds[1],
            "unit": "samples/s",
            "ratio": seconds[1] / seconds[0],
            "note": f"{device.type}, {precision}, {torch.get_num_threads()} threads, paper's size, batch {BATCH}",
        },
        reached,
    ]


class PlainPool(nn.Module):
    """timm's attention pooling, which attends from every token."""

    def __init__(self, encoder: EcgEncoder) -> None:
        super().__init__()
        self.grid = encoder.grid
        self.pool = AttentionPool2d(encoder.embed_dim, feat_size=encoder.grid, num_heads=6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, dim) of (batch, n, dim)."""
        return self.pool(tokens.transpose(1, 2).unflatten(2, self.grid))


def step_of(model: EcgPredictor, ecg: Tensor, labels: Tensor, precision: str, *, fused: bool) -> Callable[[], None]:
    """Return forward, backward and update as one call."""
    groups = parameter_groups(model, 0.2, 0.75, model.layer_of)
    optimizer = adamw(groups, 1e-4, (0.9, 0.999)) if fused else torch.optim.AdamW(groups, foreach=False)
    set_rate(optimizer, 1e-4)

    def step() -> None:
        with autocast(ecg.device, precision):
            outputs = model(ecg)
        optimizer.zero_grad()
        cross_entropy(outputs.float(), labels, label_smoothing=0.2).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    alone(run, __doc__)
