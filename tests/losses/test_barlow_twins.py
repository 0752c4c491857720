"""Barlow Twins' loss: an independent implementation, numpy, closed forms, symmetry, and that training lowers it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import BarlowTwinsLoss

from cmr2ecg.losses.barlow_twins import barlow_twins_loss, cross_correlation


def numpy_barlow(z1: np.ndarray, z2: np.ndarray, weight: float) -> float:
    c = np.corrcoef(z1.T, z2.T)[: z1.shape[1], z1.shape[1] :]
    on = ((np.diag(c) - 1) ** 2).sum()
    return on + weight * ((c**2).sum() - (np.diag(c) ** 2).sum())


def pair(seed: int, batch: int = 8, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, dim, generator=generator) for _ in range(2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 2), st.integers(4, 12), st.integers(1, 9))
def test_agrees_with_numpy_and_with_lightly(seed, weight, batch, dim):
    z1, z2 = pair(seed, batch, dim)
    loss = barlow_twins_loss(z1, z2, weight).item()
    assert loss == pytest.approx(BarlowTwinsLoss(lambda_param=weight)(z1, z2).item(), rel=1e-4, abs=1e-4)
    if dim > 1:
        assert loss == pytest.approx(numpy_barlow(z1.double().numpy(), z2.double().numpy(), weight), rel=1e-2, abs=1e-3)


def test_closed_forms():
    # Columns of a Hadamard matrix are uncorrelated with each other: the correlation is the identity.
    rows = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    torch.testing.assert_close(cross_correlation(rows, rows), torch.eye(3), rtol=1e-4, atol=1e-4)
    assert barlow_twins_loss(rows, rows, 0.5).item() == pytest.approx(0, abs=1e-6)
    assert barlow_twins_loss(rows, -rows, 0.5).item() == pytest.approx(3 * 4, rel=1e-4)
    same = rows[:, :1].expand(-1, 3)  # one dimension three times: all nine correlations are 1
    assert barlow_twins_loss(same, same, 0.5).item() == pytest.approx(0.5 * 6, rel=1e-4)


def test_offset_and_scale_of_a_dimension_do_not_matter():
    z1, z2 = pair(1)
    wanted = barlow_twins_loss(z1, z2, 0.1).item()
    assert barlow_twins_loss(z1 * torch.arange(2, 7) + 3, z2, 0.1).item() == pytest.approx(wanted, rel=1e-3)


def test_symmetry():
    z1, z2 = pair(2)
    wanted = pytest.approx(barlow_twins_loss(z1, z2, 0.2).item(), rel=1e-5)
    order, dims = torch.tensor([3, 0, 5, 1, 4, 2, 7, 6]), torch.tensor([4, 2, 0, 1, 3])
    assert barlow_twins_loss(z2, z1, 0.2).item() == wanted
    assert barlow_twins_loss(z1[order], z2[order], 0.2).item() == wanted
    assert barlow_twins_loss(z1[:, dims], z2[:, dims], 0.2).item() == wanted
    assert barlow_twins_loss(z1, z2[order], 0.2).item() != wanted


def test_a_constant_dimension_is_finite():
    z1, z2 = pair(3)
    z1[:, 0] = 2.0
    z1.requires_grad_()
    loss = barlow_twins_loss(z1, z2, 0.1)
    loss.backward()
    assert loss.isfinite() and z1.grad.isfinite().all()


def test_is_float32_under_autocast():
    z1, z2 = pair(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = barlow_twins_loss(z1, z2, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == barlow_twins_loss(z1, z2, 0.1).item()


def test_twenty_gradient_steps_lower_it():
    z1, z2 = pair(5)
    z2.requires_grad_()
    optimiser = torch.optim.SGD([z2], lr=0.5)
    losses = []
    for _ in range(20):
        losses.append(barlow_twins_loss(z1, z2, 0.1))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]
