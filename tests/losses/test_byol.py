"""BYOL's loss: an independent implementation, numpy, closed forms, symmetry, the stop-gradient, and that it falls."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NegativeCosineSimilarity

from cmr2ecg.losses.byol import byol_loss


def draw(seed: int, batch: int = 6, dim: int = 5) -> list[torch.Tensor]:
    """Return predictions of views 1 and 2, then targets of views 1 and 2."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, dim, generator=generator) for _ in range(4)]


def numpy_byol(p1, p2, t1, t2) -> float:
    def distance(a, b):
        a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b))
        return ((a - b) ** 2).sum(1).mean()

    return distance(p1, t2) + distance(p2, t1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_agrees_with_numpy_and_with_lightly(seed, batch):
    p1, p2, t1, t2 = draw(seed, batch)
    loss = byol_loss(p1, p2, t1, t2).item()
    assert loss == pytest.approx(numpy_byol(*(z.double().numpy() for z in (p1, p2, t1, t2))), rel=1e-4, abs=1e-5)
    negative_cosine = NegativeCosineSimilarity()
    assert loss == pytest.approx(4 + 2 * (negative_cosine(p1, t2) + negative_cosine(p2, t1)).item(), rel=1e-4, abs=1e-5)


def test_closed_forms():
    p1, p2, *_ = draw(1)
    assert byol_loss(p1, p2, 7 * p2, 0.5 * p1).item() == pytest.approx(0, abs=1e-5)
    assert byol_loss(p1, p2, -p2, -p1).item() == pytest.approx(8, rel=1e-5)
    x, y = torch.eye(4)[:2].chunk(2)
    assert byol_loss(x, x, y, y).item() == pytest.approx(4, rel=1e-6)


def test_symmetry():
    p1, p2, t1, t2 = draw(2)
    wanted = pytest.approx(byol_loss(p1, p2, t1, t2).item(), rel=1e-5)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert byol_loss(p2, p1, t2, t1).item() == wanted
    assert byol_loss(*(z[order] for z in (p1, p2, t1, t2))).item() == wanted
    assert byol_loss(p1, p2, t2, t1).item() != wanted  # each prediction belongs to the other view's target


def test_targets_get_no_gradient():
    tensors = [z.requires_grad_() for z in draw(3)]
    byol_loss(*tensors).backward()
    assert [z.grad is not None for z in tensors] == [True, True, False, False]


def test_is_float32_under_autocast():
    tensors = draw(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = byol_loss(*(z.bfloat16() for z in tensors))
    assert loss.dtype == torch.float32
    assert loss.item() == byol_loss(*(z.bfloat16().float() for z in tensors)).item()


def test_twenty_gradient_steps_lower_it():
    p1, p2, t1, t2 = draw(5)
    p1.requires_grad_(), p2.requires_grad_()
    optimiser = torch.optim.SGD([p1, p2], lr=1.0)
    losses = []
    for _ in range(20):
        losses.append(byol_loss(p1, p2, t1, t2))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]
