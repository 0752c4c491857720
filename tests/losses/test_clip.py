"""CLIP loss: reference number, five lines of numpy, closed forms, symmetry, and that training lowers it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.losses.clip import clip_loss

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "reference.npz"


def numpy_clip(z_image: np.ndarray, z_signal: np.ndarray, temperature: float, image_weight: float) -> float:
    z_image, z_signal = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z_image, z_signal))
    e = np.exp(z_image @ z_signal.T / temperature)
    image = -np.log(np.diag(e) / e.sum(1)).mean()
    signal = -np.log(np.diag(e) / e.sum(0)).mean()
    return image_weight * image + (1 - image_weight) * signal


def pair(seed: int, batch: int = 6, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, dim, generator=generator) for _ in range(2))


def test_agrees_with_the_reference_number():
    if not GOLDEN.exists():
        pytest.skip("the reference numbers are not on this machine")
    with np.load(GOLDEN) as golden:
        z_image, z_signal = (torch.from_numpy(golden[f"clip.z_{name}"]) for name in ("img", "sig"))
        wanted = float(golden["clip.loss_lambda0.75_tau0.1"])
    assert clip_loss(z_image, z_signal, 0.1, 0.75).item() == pytest.approx(wanted, rel=1e-6)
    assert clip_loss(z_signal, z_image, 0.1, 0.75).item() != pytest.approx(wanted, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 2), st.floats(0, 1), st.integers(1, 9))
def test_agrees_with_numpy(seed, temperature, image_weight, batch):
    z_image, z_signal = pair(seed, batch)
    wanted = numpy_clip(z_image.double().numpy(), z_signal.double().numpy(), temperature, image_weight)
    loss = clip_loss(z_image, z_signal, temperature, image_weight).item()
    assert loss == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_closed_forms():
    same = torch.ones(8, 4)
    assert clip_loss(same, same, 0.1, 0.75).item() == pytest.approx(math.log(8), rel=1e-6)
    eye = torch.eye(4) * 3  # the length does not matter
    wanted = math.log(math.exp(2) + 3) - 2
    assert clip_loss(eye, eye, 0.5, 0.75).item() == pytest.approx(wanted, rel=1e-5)


def test_weight_and_symmetry():
    z_image, z_signal = pair(1)
    assert clip_loss(z_image, z_signal, 0.2, 0.3) == pytest.approx(clip_loss(z_signal, z_image, 0.2, 0.7).item())
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = clip_loss(z_image[order], z_signal[order], 0.2, 0.3)
    assert shuffled.item() == pytest.approx(clip_loss(z_image, z_signal, 0.2, 0.3).item(), rel=1e-5)
    assert clip_loss(z_image, z_signal[order], 0.2, 0.3).item() != pytest.approx(shuffled.item(), rel=1e-3)


def test_is_float32_under_autocast():
    z_image, z_signal = pair(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = clip_loss(z_image, z_signal, 0.1, 0.75)
    assert loss.dtype == torch.float32
    assert loss.item() == clip_loss(z_image, z_signal, 0.1, 0.75).item()


def test_twenty_gradient_steps_lower_it():
    z_image, z_signal = pair(3)
    z_signal.requires_grad_()
    optimiser = torch.optim.SGD([z_signal], lr=0.5)
    losses = []
    for _ in range(20):
        losses.append(clip_loss(z_image, z_signal, 0.1, 0.75))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
