"""Operations of a training step as torch counts them, against sizes worked out by hand and published ones."""

import pytest
from paper_settings import paper_settings
from timm.layers import set_fused_attn, use_fused_attn

from cmr2ecg.plan.steps import build, operations_of

ENCODER = {"leads": 12, "samples": 1000, "patch": 100, "dim": 48, "depth": 2, "heads": 4, "mlp_ratio": 4.0}
MODELS = {
    "ecg_encoder": ENCODER,
    "mae_decoder": {"dim": 32, "depth": 2, "heads": 4},
    "ecg_cnn": {"leads": 12, "samples": 1000, "width": 8, "blocks": [1, 2], "kernel": 5, "dropout": 0.5},
    "cmr_encoder": {"name": "resnet10t", "image_size": 32, "output_stride": 16},
    "projector": {"hidden": 64, "out": 16},
}
BATCH = 4
# A training step costs three times the forward pass, less the first layer's gradient of its input. So much it is for a
# subject of MODELS by closed formulas of linear layers, attention, convolutions and the losses' products.
FORMULAS = {
    "mae": 42_561_024,
    "simclr": 118_695_168,
    "clocs": 118_695_168,
    "byol": 159_073_280,
    "barlow_twins": 118_698_240,
    "cmr": 400_468_992,
    "mmcl": 259_567_104,
    "finetune_ecg": 62_758_080,
    "finetune_cnn": 5_616_000,
    "finetune_cmr": 200_024_064,
}


def method_of(kind):
    paper = paper_settings()
    if kind.startswith("finetune"):
        return {**paper["finetune"], "batch_size": BATCH}
    sections = {
        **paper["pretrain"]["contrastive"],
        **{name: paper["pretrain"][name] for name in ("mae", "cmr", "mmcl")},
    }
    return {**sections[kind], "base_lr": 1e-4, "batch_size": BATCH, "projector": {"hidden": 64, "out": 32}}


def forward_of_vit(dim, depth, tokens, *, patch):
    """Return the operations of blocks over tokens, the first of them the class token, and of embedding patches."""
    attention = 2 * tokens * dim * 3 * dim + 2 * 2 * tokens * tokens * dim + 2 * tokens * dim * dim
    mlp = 2 * 2 * tokens * dim * 4 * dim
    embedding = 2 * (tokens - 1) * patch * dim
    return embedding + depth * (attention + mlp), embedding


@pytest.mark.parametrize("kind", sorted(FORMULAS))
def test_a_training_step_has_the_operations_of_the_formulas(kind):
    made = build(kind, MODELS, method_of(kind), BATCH, "fp32")
    assert made.operations() == pytest.approx(FORMULAS[kind], rel=0.03)


def test_fine_tuning_a_vit_costs_three_forward_passes():
    forward, first = forward_of_vit(48, 2, 121, patch=100)
    pooling = 2 * 121 * 48 * 2 * 48 + 2 * 2 * 48 * 48 + 2 * 2 * 48 * 121  # keys and values of all tokens, one query
    counted = operations_of("finetune_ecg", MODELS, method_of("finetune_ecg"))
    assert counted == pytest.approx(3 * (forward + pooling) - first, rel=0.005)


def test_fused_attention_is_counted_too():
    """Of torch's fused kernels on a CPU its counter knows none."""
    fused, counts = use_fused_attn(), set()
    try:
        for on in (True, False):
            set_fused_attn(on)
            counts.add(operations_of("mae", MODELS, method_of("mae")))
    finally:
        set_fused_attn(bool(fused))
    assert len(counts) == 1


def test_published_size_of_resnet50():
    """4.1 billion multiply-adds at 224 pixels; He et al. 2016 say 3.8 with strides in the first convolution."""
    models = {"cmr_encoder": {"name": "resnet50", "image_size": 224, "output_stride": 32}}
    first = 2 * 64 * 3 * 7**2 * 112**2
    counted = operations_of("finetune_cmr", models, method_of("finetune_cmr"))
    assert counted == pytest.approx(3 * 2 * 4.09e9 - first, rel=0.01)


def test_a_larger_mask_costs_less():
    costs = [operations_of("mae", MODELS, {**method_of("mae"), "mask_ratio": ratio}) for ratio in (0.2, 0.5, 0.8)]
    assert costs == sorted(costs, reverse=True) and costs[0] > 1.5 * costs[-1]
