"""Learning rates and optimiser groups."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.models.classifier import CmrPredictor, EcgCnnPredictor, EcgPredictor
from cmr2ecg.models.ecg_cnn import EcgCnn
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.optimizer import absolute_rate, adamw, parameter_groups, set_rate, warmup_cosine


def test_schedule_equals_the_reference(golden):
    values = [warmup_cosine(e, epochs=10, warmup=2, rate=3e-4) for e in golden["lr.epochs"]]
    np.testing.assert_allclose(values, golden["lr.values"], rtol=1e-6, atol=1e-12)


@given(st.integers(2, 400), st.floats(0, 0.5), st.floats(0, 1))
def test_schedule_stays_between_zero_and_the_peak(epochs, warmup, moment):
    rate = warmup_cosine(moment * epochs, epochs=epochs, warmup=warmup * epochs, rate=1.0)
    assert 0 <= rate <= 1


def test_absolute_rate_of_the_authors():
    assert absolute_rate(1e-5, 128, 4) == pytest.approx(3.2e-4)


@pytest.fixture
def predictor():
    return EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2)


PREDICTORS = {
    "clip": lambda: EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2),
    "authors": lambda: EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2, "authors"),
    "trainable positions": lambda: EcgPredictor(
        EcgEncoder(patch=500, dim=16, depth=2, heads=2, position_embedding={"init": "random", "trainable": True}), 2
    ),
    "ecg cnn": lambda: EcgCnnPredictor(EcgCnn(width=8, blocks=[1, 1]), 2),
    "cmr": lambda: CmrPredictor(cmr_encoder("resnet10t", 32), 6),
    "cmr resnet50": lambda: CmrPredictor(cmr_encoder("resnet50", 32), 6),
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_trainable_parameter_is_in_exactly_one_group(name):
    model = PREDICTORS[name]()
    groups = parameter_groups(model, 0.2, 0.75, model.layer_of)
    grouped = [id(value) for group in groups for value in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(value) for value in model.parameters() if value.requires_grad}


@pytest.mark.parametrize("name", PREDICTORS)
def test_biases_norms_and_position_embeddings_have_no_weight_decay_and_matrices_have(name):
    model = PREDICTORS[name]()
    decay = {
        id(value): group["weight_decay"]
        for group in parameter_groups(model, 0.2, 0.75, model.layer_of)
        for value in group["params"]
    }
    for module_name, module in model.named_modules():
        for parameter, value in module.named_parameters(prefix=module_name, recurse=False):
            if not value.requires_grad:
                continue
            plain = parameter.endswith(("bias", "pos_embed", "cls_token")) or "Norm" in type(module).__name__
            assert decay[id(value)] == (0.0 if plain else 0.2), parameter


def test_layers_of_a_resnet_are_its_stem_stages_and_head():
    model = PREDICTORS["cmr"]()
    layers = {name: model.layer_of(name) for name, _ in model.named_parameters()}
    assert {layers["encoder.conv1.0.weight"], layers["encoder.bn1.bias"]} == {0}
    assert [layers[f"encoder.layer{stage}.0.conv1.weight"] for stage in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert {layers["head.weight"], layers["head.bias"]} == {5}
    scales = {group["lr_scale"] for group in parameter_groups(model, 0.2, 0.5, model.layer_of)}
    assert scales == {0.5**power for power in range(6)}


def test_layer_decay_leaves_a_network_without_pretrained_layers_alone():
    model = PREDICTORS["ecg cnn"]()
    assert {group["lr_scale"] for group in parameter_groups(model, 0.2, 0.5, model.layer_of)} == {1.0}


def test_parameters_of_one_rate_and_decay_are_one_group(predictor):
    assert len(parameter_groups(predictor, 0.2, 1.0, predictor.layer_of)) == 2
    assert len(parameter_groups(predictor, 0.2, 0.5, predictor.layer_of)) == 2 * len(
        {*map(predictor.layer_of, dict(predictor.named_parameters()))}
    )


def test_layer_decay_and_weight_decay_per_parameter(predictor):
    groups = parameter_groups(predictor, 0.2, 0.5, predictor.layer_of)
    found = {id(value): group for group in groups for value in group["params"]}
    named = dict(predictor.named_parameters())
    expected = {
        "encoder.cls_token": (0.125, 0.0),
        "encoder.patch_embed.proj.weight": (0.125, 0.2),
        "encoder.blocks.0.attn.qkv.weight": (0.25, 0.2),
        "encoder.blocks.1.norm1.bias": (0.5, 0.0),
        "attention_pool.pos_embed": (1.0, 0.0),
        "head.weight": (1.0, 0.2),
        "head.bias": (1.0, 0.0),
    }
    for name, (scale, decay) in expected.items():
        group = found[id(named[name])]
        assert (group["lr_scale"], group["weight_decay"]) == (scale, decay), name


def test_set_rate_scales_every_group(predictor):
    optimizer = adamw(parameter_groups(predictor, 0.2, 0.5, predictor.layer_of), 0.0, (0.9, 0.999))
    set_rate(optimizer, 0.1)
    assert {round(group["lr"], 6) for group in optimizer.param_groups} == {0.1, 0.05, 0.025, 0.0125}


def test_fused_adamw_equals_the_plain_formula():
    """One step of AdamW by hand: decoupled weight decay, then the bias-corrected ratio."""
    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
    optimizer = adamw([{"params": [weight], "weight_decay": 0.1, "lr_scale": 1.0}], 0.01, (0.9, 0.95))
    weight.grad = torch.tensor([[0.5, 0.25]])
    optimizer.step()
    expected = np.array([[1.0, -2.0]]) * (1 - 0.01 * 0.1) - 0.01 * np.sign([[0.5, 0.25]])
    np.testing.assert_allclose(weight.detach(), expected, rtol=1e-5)
