"""Attention pooling: CLIP's as timm has it, the authors' as torch has it, and what each makes of the tokens' order."""

import pytest
import torch
from timm.layers import AttentionPool2d

from cmr2ecg.models.attention_pooling import POOLINGS, AuthorsPooling, ClipPooling

BATCH, GRID, DIM, HEADS = 3, (12, 5), 24, 6


@pytest.fixture
def tokens():
    return torch.randn(BATCH, 60, DIM, generator=torch.Generator().manual_seed(0))


def pooled_and_gradients(pool, tokens):
    tokens = tokens.clone().requires_grad_()
    out = pool(tokens)
    out.square().sum().backward()
    return out, tokens.grad


def test_clip_pooling_equals_timms_in_value_and_gradient(tokens):
    torch.manual_seed(1)
    ours = ClipPooling(DIM, 60, HEADS)
    theirs = AttentionPool2d(DIM, feat_size=GRID, num_heads=HEADS)
    theirs.load_state_dict(ours.state_dict())
    out, gradient = pooled_and_gradients(ours, tokens)
    expected, expected_gradient = pooled_and_gradients(lambda x: theirs(x.transpose(1, 2).unflatten(2, GRID)), tokens)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_clip_pooling_starts_as_timms():
    torch.manual_seed(1)
    ours, theirs = ClipPooling(240, 60, HEADS), AttentionPool2d(240, feat_size=GRID, num_heads=HEADS)
    for name, value in ours.state_dict().items():
        expected = theirs.state_dict()[name]
        assert value.shape == expected.shape
        assert float(value.std()) == pytest.approx(float(expected.std()), rel=0.15, abs=1e-6), name


def test_order_matters_to_clip_pooling_through_positions_only(tokens):
    shuffle = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    pool = ClipPooling(DIM, 60, HEADS)
    assert not torch.allclose(pool(tokens), pool(tokens[:, shuffle]), atol=1e-4)
    with torch.no_grad():
        pool.pos_embed[1:] = pool.pos_embed[1:][shuffle]
        moved = pool(tokens[:, shuffle])
        pool.pos_embed[1:] = pool.pos_embed[1:][shuffle.argsort()]
    torch.testing.assert_close(moved, pool(tokens), rtol=1e-5, atol=1e-6)


def test_order_does_not_matter_to_the_authors_pooling(tokens):
    shuffle = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    pool = AuthorsPooling(DIM, 60, HEADS)
    torch.testing.assert_close(pool(tokens), pool(tokens[:, shuffle]), rtol=1e-5, atol=1e-6)


def test_the_authors_pooling_is_softmax_attention_from_the_mean_and_a_norm_applied_twice(tokens):
    pool = AuthorsPooling(DIM, 60, 1)
    with torch.no_grad():
        pool.norm.weight.uniform_(0.5, 2)
        pool.norm.bias.uniform_(-1, 1)
        wq, wk, wv = pool.attention.in_proj_weight.chunk(3)
        query, keys, values = tokens.mean(1, keepdim=True) @ wq.T, tokens @ wk.T, tokens @ wv.T
        weights = (query @ keys.transpose(1, 2) / DIM**0.5).softmax(-1)
        out = pool.attention.out_proj((weights @ values)[:, 0])
        torch.testing.assert_close(pool(tokens), pool.norm(pool.norm(out)), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(pool(tokens), pool.norm(out), atol=1e-2)


@pytest.mark.parametrize("name", POOLINGS)
def test_every_parameter_gets_a_gradient(tokens, name):
    pool = POOLINGS[name](DIM, 60, HEADS)
    pool(tokens).sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in pool.parameters())
