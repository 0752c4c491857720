"""Reconstruction loss: reference numbers, numpy, closed forms, invariances, and that training lowers it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.losses.masked_reconstruction import normalised_cross_correlation, reconstruction_loss

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "reference.npz"
SHAPE = (3, 4)  # leads, patches a lead


def loss_of(prediction, target, mask, patches="all_patches", ncc_weight=0.0, shape=SHAPE):
    return reconstruction_loss(prediction, target, mask, patches=patches, ncc_weight=ncc_weight, signal_shape=shape)


def numpy_loss(prediction, target, mask, patches, ncc_weight):
    error = ((prediction - target) ** 2).mean(2)
    mse = error.mean() if patches == "all_patches" else error[mask == 1].mean()
    leads = [z.reshape(len(z) * SHAPE[0], -1) for z in (prediction, target)]
    ncc = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*leads, strict=True)])
    return (1 - ncc_weight) * mse + ncc_weight * (1 - ncc)


def draw(seed: int, batch: int = 2, patch: int = 5):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, SHAPE[0] * SHAPE[1], patch)
    prediction, target = (torch.randn(shape, generator=generator) for _ in range(2))
    mask = (torch.rand(shape[:2], generator=generator) < 0.6).float()
    mask[0, 0] = 1
    return prediction, target, mask


@pytest.mark.parametrize(
    ("key", "patches", "ncc_weight"),
    [
        ("loss_mse_all_patches", "all_patches", 0.0),
        ("loss_masked_patches_only", "masked_patches", 0.0),
        ("loss_with_ncc_0.1", "all_patches", 0.1),
    ],
)
def test_agrees_with_the_reference_numbers(key, patches, ncc_weight):
    if not GOLDEN.exists():
        pytest.skip("the reference numbers are not on this machine")
    with np.load(GOLDEN) as golden:
        signal, prediction, mask, wanted = (golden[f"mae.{k}"] for k in ("signal", "pred", "mask", key))
    target = torch.from_numpy(signal).reshape(3, 60, 100)  # lead by lead, each in patches of 100 samples
    loss = loss_of(torch.from_numpy(prediction), target, torch.from_numpy(mask), patches, ncc_weight, (12, 5))
    # tight enough to tell correlation by lead from correlation by patch or by record
    assert loss.item() == pytest.approx(float(wanted), rel=3e-7)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from(["all_patches", "masked_patches"]))
def test_agrees_with_numpy(seed, ncc_weight, patches):
    prediction, target, mask = draw(seed)
    wanted = numpy_loss(prediction.double().numpy(), target.double().numpy(), mask.numpy(), patches, ncc_weight)
    loss = loss_of(prediction, target, mask, patches, ncc_weight).item()
    assert loss == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_closed_forms():
    _, target, mask = draw(1)
    assert loss_of(target, target, mask, ncc_weight=0.1).item() == pytest.approx(0, abs=1e-6)
    assert loss_of(target + 2, target, mask).item() == pytest.approx(4, rel=1e-5)
    assert loss_of(-target, target, mask, ncc_weight=1.0).item() == pytest.approx(2, rel=1e-5)
    only_masked_wrong = target + 3 * mask.unsqueeze(2)
    masked = loss_of(only_masked_wrong, target, mask, "masked_patches").item()
    assert masked == pytest.approx(9, rel=1e-5)
    assert loss_of(only_masked_wrong, target, mask).item() == pytest.approx(9 * mask.mean().item(), rel=1e-5)


def test_correlation_ignores_offset_and_scale():
    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(2, 3, 40, generator=generator)
    expected = normalised_cross_correlation(a, b)
    torch.testing.assert_close(normalised_cross_correlation(5 * a + 7, b), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(normalised_cross_correlation(b, a), expected)


def test_flat_lead_gives_zero_correlation_and_finite_gradient():
    _, target, mask = draw(2)
    prediction = torch.zeros_like(target, requires_grad=True)
    loss = loss_of(prediction, target, mask, ncc_weight=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-6)
    assert prediction.grad.isfinite().all()


def test_order_of_the_batch_does_not_matter():
    prediction, target, mask = draw(3, batch=4)
    order = torch.tensor([2, 0, 3, 1])
    for patches in ("all_patches", "masked_patches"):
        loss = loss_of(prediction[order], target[order], mask[order], patches, 0.1)
        assert loss.item() == pytest.approx(loss_of(prediction, target, mask, patches, 0.1).item(), rel=1e-5)


def test_only_removed_patches_get_a_gradient():
    prediction, target, mask = draw(5)
    prediction.requires_grad_()
    loss_of(prediction, target, mask, "masked_patches").backward()
    assert (prediction.grad.abs().sum(2) > 0).float().equal(mask)


def test_is_float32_under_autocast():
    prediction, target, mask = draw(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(prediction.bfloat16(), target, mask, ncc_weight=0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == loss_of(prediction.bfloat16().float(), target, mask, ncc_weight=0.1).item()


def test_unknown_patches_are_refused():
    with pytest.raises(ValueError, match="all_patches or masked_patches"):
        loss_of(*draw(0), patches="visible")


@pytest.mark.parametrize("patches", ["all_patches", "masked_patches"])
def test_twenty_gradient_steps_lower_it(patches):
    prediction, target, mask = draw(7)
    prediction.requires_grad_()
    optimiser = torch.optim.SGD([prediction], lr=5.0)
    losses = []
    for _ in range(20):
        losses.append(loss_of(prediction, target, mask, patches, 0.1))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
