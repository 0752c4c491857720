"""Learning rates and optimiser groups."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.models.classifier import EcgPredictor, layer_of
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.optimizer import adamw, parameter_groups, set_rate
from cmr2ecg.training.schedule import absolute_rate, warmup_cosine


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


def test_every_trainable_parameter_is_in_exactly_one_group(predictor):
    groups = parameter_groups(predictor, 0.2, 0.75, lambda name: layer_of(name, 2))
    grouped = [id(value) for group in groups for value in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(value) for value in predictor.parameters() if value.requires_grad}


def test_layer_decay_and_weight_decay_per_parameter(predictor):
    groups = parameter_groups(predictor, 0.2, 0.5, lambda name: layer_of(name, 2))
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
    optimizer = adamw(parameter_groups(predictor, 0.2, 0.5, lambda name: layer_of(name, 2)), 0.0, (0.9, 0.999))
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
