"""Attention pooling of patch tokens in place of their mean: CLIP's (paper §IV-C.2, its [28]), and the authors'."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class ClipPooling(nn.Module):
    """The mean token and the patch tokens, each with a learned position, pooled by one query: the mean token.

    The same function and start as timm's AttentionPool2d, which projects and attends from all tokens and then keeps
    one; here only that one is computed.
    """

    def __init__(self, dim: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.pos_embed = nn.Parameter(torch.empty(tokens + 1, dim))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.qkv.weight, std=dim**-0.5)
        nn.init.zeros_(self.qkv.bias)
        nn.init.trunc_normal_(self.pos_embed, std=dim**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, dim) of patch tokens (batch, n, dim)."""
        dim = tokens.shape[2]
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + self.pos_embed
        query = linear(tokens[:, :1], self.qkv.weight[:dim], self.qkv.bias[:dim])
        keys, values = linear(tokens, self.qkv.weight[dim:], self.qkv.bias[dim:]).chunk(2, dim=2)
        query, keys, values = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, keys, values))
        weights = (query * (dim // self.heads) ** -0.5 @ keys.transpose(2, 3)).softmax(dim=-1)
        pooled = weights.to(values.dtype) @ values
        return self.proj(pooled.transpose(1, 2).flatten(2)[:, 0])


class AuthorsPooling(nn.Module):
    """The authors' code: plain multi-head attention from the mean token to the patch tokens, no positions, then a norm.

    Their forward pass applies the norm twice; it is kept so, for it is not the same as once with a learned norm.
    """

    def __init__(self, dim: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, dim) of patch tokens (batch, n, dim); the order of the tokens does not matter."""
        pooled, _ = self.attention(tokens.mean(dim=1, keepdim=True), tokens, tokens, need_weights=False)
        return self.norm(self.norm(pooled[:, 0]))


POOLINGS = {"clip": ClipPooling, "authors": AuthorsPooling}
