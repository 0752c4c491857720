"""Attention in pieces is timm's attention, forwards and backwards."""

import pytest
import torch

from cmr2ecg.models import attention
from cmr2ecg.models.attention import PiecewiseAttention, _Pieces
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.vit import EcgEncoder


def plain(qkv, scale):
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    return ((q * scale @ k.transpose(2, 3)).softmax(dim=-1) @ v).transpose(1, 2)


@pytest.mark.parametrize("piece_bytes", [1, 3 * 2 * 7 * 7 * 8, 1 << 22])  # one record, three, all at once
def test_pieces_equal_the_formula_and_its_gradient(piece_bytes, monkeypatch):
    monkeypatch.setattr(attention, "PIECE_BYTES", piece_bytes)
    qkv = torch.randn(5, 7, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 7, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(_Pieces.apply(qkv, 0.5), plain(qkv, 0.5))
    ours, theirs = (
        torch.autograd.grad((function(qkv, 0.5) * weights).sum(), qkv)[0] for function in (_Pieces.apply, plain)
    )
    torch.testing.assert_close(ours, theirs)


def test_under_autocast_output_and_gradients_are_timms(monkeypatch):
    torch.manual_seed(0)
    layer, x = PiecewiseAttention(24, num_heads=3, qkv_bias=True), torch.randn(4, 11, 24)
    layer.fused_attn = False
    found = []
    for pieces in (True, False):
        if not pieces:
            monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x)
        layer.zero_grad()
        out.float().square().sum().backward()
        found.append([out, *(value.grad for value in layer.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()


def test_every_block_of_encoder_and_decoder_has_it():
    network = MaskedAutoencoder(EcgEncoder(patch=500, dim=16, depth=2, heads=2), dim=16, depth=1, heads=2)
    blocks = [*network.encoder.blocks, *network.decoder_blocks]
    assert len(blocks) == 3 and all(isinstance(block.attn, PiecewiseAttention) for block in blocks)
