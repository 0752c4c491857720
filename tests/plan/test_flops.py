"""Operations counted from sizes against torch's own counter, on small networks of every kind."""

import pytest
import torch
from paper_settings import paper_settings
from timm.layers import set_fused_attn, use_fused_attn
from torch.utils.flop_counter import FlopCounterMode

from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.plan import flops, steps

ENCODER = {"leads": 12, "samples": 1000, "patch": 100, "dim": 48, "depth": 2, "heads": 4, "mlp_ratio": 4.0}
MODELS = {
    "ecg_encoder": ENCODER,
    "mae_decoder": {"dim": 32, "depth": 2, "heads": 4},
    "ecg_cnn": {"leads": 12, "samples": 1000, "width": 8, "blocks": [1, 2], "kernel": 5, "dropout": 0.5},
    "cmr_encoder": {"name": "resnet10t", "image_size": 32, "output_stride": 16},
    "projector": {"hidden": 64, "out": 16},
}
BATCH = 4


@pytest.fixture(autouse=True)
def plain_attention():
    """Attention as matrix products: the fused one recomputes its scores, which is no operation of the method."""
    fused = use_fused_attn()
    set_fused_attn(False)
    yield
    set_fused_attn(bool(fused))


def method_of(kind):
    paper = paper_settings()
    if kind.startswith("finetune"):
        return {**paper["finetune"], "batch_size": BATCH}
    sections = {
        **paper["pretrain"]["contrastive"],
        **{name: paper["pretrain"][name] for name in ("mae", "cmr", "mmcl")},
    }
    return {**sections[kind], "base_lr": 1e-4, "batch_size": BATCH, "projector": {"hidden": 64, "out": 32}}


@pytest.mark.parametrize("kind", sorted(flops._COUNTS))
def test_a_training_step_has_the_operations_torch_counts(kind):
    made = steps.build(kind, MODELS, method_of(kind), BATCH, "fp32")
    with FlopCounterMode(display=False) as counter:
        loss = made.loss_of(made.batch, torch.Generator().manual_seed(0))
        loss.backward()
    counted = BATCH * flops.step_flops(kind, MODELS, method_of(kind))
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_the_papers_vit_and_resnet_have_the_operations_torch_counts():
    paper = paper_settings()["models"]
    with torch.device("meta"):
        vit, image = (
            EcgPredictor(EcgEncoder(**paper["ecg_encoder"]), 1).eval(),
            cmr_encoder(**paper["cmr_encoder"]).eval(),
        )
        inputs = torch.empty(1, 12, 2500), torch.empty(1, 3, 210, 210)
    for network, recording, kind in ((vit, inputs[0], "finetune_ecg"), (image, inputs[1], "finetune_cmr")):
        with FlopCounterMode(display=False) as counter:
            network(recording)
        assert flops.forward_flops(kind, paper) == pytest.approx(counter.get_total_flops(), rel=0.005)


def test_published_size_of_resnet50():
    """4.1 billion multiply-adds at 224 pixels; He et al. 2016 say 3.8 with strides in the first convolution."""
    assert flops.resnet("resnet50", 224)[0] == pytest.approx(2 * 4.09e9, rel=0.01)


def test_a_larger_mask_costs_less():
    costs = [flops.masked_autoencoder(ENCODER, MODELS["mae_decoder"], ratio) for ratio in (0.2, 0.5, 0.8)]
    assert costs == sorted(costs, reverse=True)
