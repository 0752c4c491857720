"""NT-Xent: five lines of numpy, closed forms, symmetry, and that training lowers it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.losses.nt_xent import nt_xent_loss


def numpy_nt_xent(z1: np.ndarray, z2: np.ndarray, temperature: float) -> float:
    z = np.concatenate([z1, z2])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    e = np.exp(z @ z.T / temperature) * (1 - np.eye(len(z)))
    positive = e[np.arange(len(z)), np.roll(np.arange(len(z)), len(z1))]
    return -np.log(positive / e.sum(1)).mean()


def pair(seed: int, batch: int = 6, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, dim, generator=generator) for _ in range(2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 2), st.integers(1, 9))
def test_agrees_with_numpy(seed, temperature, batch):
    z1, z2 = pair(seed, batch)
    wanted = numpy_nt_xent(z1.double().numpy(), z2.double().numpy(), temperature)
    assert nt_xent_loss(z1, z2, temperature).item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_closed_forms():
    same = torch.ones(8, 4)
    assert nt_xent_loss(same, same, 0.1).item() == pytest.approx(math.log(15), rel=1e-6)
    eye = torch.eye(4) * 3
    wanted = math.log(math.exp(2) + 6) - 2  # one positive at cosine 1, six others at 0
    assert nt_xent_loss(eye, eye, 0.5).item() == pytest.approx(wanted, rel=1e-5)


def test_symmetry():
    z1, z2 = pair(1)
    wanted = pytest.approx(nt_xent_loss(z1, z2, 0.2).item(), rel=1e-5)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert nt_xent_loss(z2, z1, 0.2).item() == wanted
    assert nt_xent_loss(z1[order], z2[order], 0.2).item() == wanted
    assert nt_xent_loss(z1, z2[order], 0.2).item() != wanted


def test_is_float32_under_autocast():
    z1, z2 = pair(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nt_xent_loss(z1, z2, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == nt_xent_loss(z1, z2, 0.1).item()


def test_twenty_gradient_steps_lower_it():
    z1, z2 = pair(3)
    z2.requires_grad_()
    optimiser = torch.optim.SGD([z2], lr=0.5)
    losses = []
    for _ in range(20):
        losses.append(nt_xent_loss(z1, z2, 0.1))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_it_is_lightlys_loss_and_gradient(temperature):
    from lightly.loss import NTXentLoss

    generator = torch.Generator().manual_seed(4)
    ours, theirs = (torch.randn(2, 12, 8, generator=generator) for _ in range(2))
    theirs.copy_(ours)
    ours.requires_grad_(), theirs.requires_grad_()
    loss, reference = nt_xent_loss(*ours, temperature), NTXentLoss(temperature)(*theirs)
    loss.backward(), reference.backward()
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(ours.grad, theirs.grad)
