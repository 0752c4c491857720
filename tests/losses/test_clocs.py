"""CLOCS' loss: numpy after Kiyasseh et al., equal views, the order of views, and that training lowers it."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.losses.clip import clip_loss
from cmr2ecg.losses.clocs import clocs_loss


def numpy_clocs(views: list[np.ndarray], temperature: float) -> float:
    views = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in views]
    terms = []
    for a, b in permutations(range(len(views)), 2):  # both ways round
        e = np.exp(views[a] @ views[b].T / temperature)
        terms.append(-np.log(np.diag(e) / e.sum(1)).mean())
    return float(np.mean(terms))


def draw(seed: int, views: int = 3, batch: int = 6, dim: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, dim, generator=generator) for _ in range(views)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 2), st.integers(2, 5), st.integers(1, 7))
def test_agrees_with_numpy(seed, temperature, views, batch):
    parts = draw(seed, views, batch)
    wanted = numpy_clocs([part.double().numpy() for part in parts], temperature)
    assert clocs_loss(parts, temperature).item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_closed_forms():
    same = [torch.ones(8, 4)] * 3
    assert clocs_loss(same, 0.1).item() == pytest.approx(math.log(8), rel=1e-6)
    eye = [torch.eye(4)] * 4
    assert clocs_loss(eye, 0.5).item() == pytest.approx(math.log(math.exp(2) + 3) - 2, rel=1e-5)


def test_two_views_are_the_clip_loss_and_their_order_does_not_matter():
    a, b, c = draw(1)
    assert clocs_loss([a, b], 0.2).item() == pytest.approx(clip_loss(a, b, 0.2, 0.5).item(), rel=1e-6)
    wanted = pytest.approx(clocs_loss([a, b, c], 0.2).item(), rel=1e-5)
    assert all(clocs_loss(order, 0.2).item() == wanted for order in permutations([a, b, c]))
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])
    assert clocs_loss([a[shuffled], b[shuffled], c[shuffled]], 0.2).item() == wanted
    assert clocs_loss([a[shuffled], b, c], 0.2).item() != wanted


def test_every_view_counts():
    views = [view.requires_grad_() for view in draw(2, views=4)]
    clocs_loss(views, 0.1).backward()
    assert all(view.grad.abs().sum() > 0 for view in views)


def test_twenty_gradient_steps_lower_it():
    views = draw(3)
    views[0].requires_grad_()
    optimiser = torch.optim.SGD(views[:1], lr=0.5)
    losses = []
    for _ in range(20):
        losses.append(clocs_loss(views, 0.1))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]
