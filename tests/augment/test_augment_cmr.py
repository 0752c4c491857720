"""CMR augmentations: against torchvision one image at a time, ranges, shares, and reproducibility."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_settings import paper_settings
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from cmr2ecg.augment.cmr import affine, apply_affine, apply_jitter, augment_cmr, draw_affine, draw_crop

SETTINGS = paper_settings()["pretrain"]["mmcl"]["cmr_augment"]
OFF = dict.fromkeys(SETTINGS, 0.0) | {"crop_scale": 1.0}
WHOLE = torch.ones(1, 2), torch.zeros(1, 2)  # size and centre of a crop that keeps everything


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int = 4, height: int = 32, width: int = 32, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=seeded(seed))


def inner(x: torch.Tensor) -> torch.Tensor:
    """Return x without its rim, where libraries differ in how they fade to the outside."""
    return x[..., 3:-3, 3:-3]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 44)])
@pytest.mark.parametrize("degrees", [0, 30, -17])
@pytest.mark.parametrize("mirrored", [False, True])
def test_flip_and_rotation_agree_with_torchvision(height, width, degrees, mirrored):
    x = images(1, height, width)
    expected = tv.horizontal_flip(x) if mirrored else x
    expected = tv.rotate(expected, degrees, InterpolationMode.BILINEAR)
    flip = torch.tensor([-1.0 if mirrored else 1.0])
    theta = affine(flip, torch.tensor([math.radians(degrees)]), *WHOLE, width / height)
    torch.testing.assert_close(inner(apply_affine(x, theta)), inner(expected), rtol=1e-3, atol=1e-3)


def test_crop_agrees_with_torchvision():
    x = images(1, 40, 40)
    top, left, height, width = 6, 10, 20, 28
    expected = tv.resized_crop(x, top, left, height, width, [40, 40], antialias=False)
    size = torch.tensor([[width / 40, height / 40]])
    centre = torch.tensor([[(left + width / 2) / 20 - 1, (top + height / 2) / 20 - 1]])
    theta = affine(torch.ones(1), torch.zeros(1), size, centre, 1.0)
    torch.testing.assert_close(inner(apply_affine(x, theta)), inner(expected), rtol=1e-3, atol=1e-3)


def test_crop_follows_the_rotation():
    x = images(1, 64, 64)
    x = tv.gaussian_blur(x, [9, 9], [2.0, 2.0])  # smooth, so that interpolating once or twice agrees
    expected = tv.rotate(tv.horizontal_flip(x), 25, InterpolationMode.BILINEAR)
    expected = tv.resized_crop(expected, 8, 16, 48, 40, [64, 64], antialias=False)
    size, centre = torch.tensor([[40 / 64, 48 / 64]]), torch.tensor([[36 / 32 - 1, 32 / 32 - 1]])
    theta = affine(-torch.ones(1), torch.tensor([math.radians(25)]), size, centre, 1.0)
    assert (inner(apply_affine(x, theta)) - inner(expected)).abs().max() < 0.01


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.integers(0, 10**6))
def test_jitter_agrees_with_torchvision(brightness, contrast, saturation, seed):
    x = images(1, seed=seed)
    expected = tv.adjust_contrast(tv.adjust_brightness(x, brightness), contrast)
    expected = tv.adjust_saturation(expected, saturation)
    factors = [torch.full((1, 1, 1, 1), f) for f in (brightness, contrast, saturation)]
    torch.testing.assert_close(apply_jitter(x, *factors), expected, rtol=1e-3, atol=1e-4)


def test_crop_windows_have_the_asked_area_and_ratio():
    size, centre = draw_crop(5000, 0.6, 1.0, seeded(), torch.device("cpu"))
    area, ratio = size.prod(1), size[:, 0] / size[:, 1]
    assert 0.6 <= area.min() < 0.61
    assert 0.95 < area.max() <= 1
    assert 0.749 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.334
    assert (size + centre.abs() <= 1 + 1e-6).all()  # inside the image
    assert ((size[:, 0] > 0.99) & (size[:, 1] > 0.99)).float().mean() < 0.01  # hardly ever the fallback


def test_crop_ratio_is_in_pixels():
    size, _ = draw_crop(2000, 0.3, 2.0, seeded(), torch.device("cpu"))  # twice as wide as high
    pixels = 2 * size[:, 0] / size[:, 1]
    kept = (size < 1).all(1)
    assert pixels[kept].min() > 0.749
    assert pixels[kept].max() < 1.334


def test_draws_have_the_asked_shares():
    theta = draw_affine(torch.zeros(4000, 3, 8, 8), SETTINGS | {"crop_scale": 1.0}, seeded())
    assert (torch.linalg.det(theta[:, :, :2]) < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    angle = torch.atan2(theta[:, 1, 0], theta[:, 1, 1]).rad2deg()
    assert (angle.abs() > 1e-4).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert 43 < angle.abs().max() < 45.001


def test_all_off_is_the_identity():
    x = images()
    torch.testing.assert_close(augment_cmr(x, OFF, seeded()), x, rtol=1e-5, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.floats(0.2, 1))
def test_output_stays_in_range(seed, strength, probability, crop_scale):
    mine = dict.fromkeys(("brightness", "contrast", "saturation"), strength) | {"crop_scale": crop_scale}
    y = augment_cmr(images(seed=seed), SETTINGS | mine, seeded(seed), probability)
    assert y.isfinite().all()
    assert y.min() >= 0
    assert y.max() <= 1


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_share_of_images(probability):
    x = images(600, 8, 8)
    differs = (augment_cmr(x, SETTINGS, seeded(), probability) != x).flatten(1).any(1)
    assert differs.float().mean().item() == pytest.approx(probability, abs=0.06)


def test_each_image_gets_its_own_parameters():
    y = augment_cmr(images(1).expand(6, -1, -1, -1), SETTINGS, seeded())
    assert len(y.flatten(1).unique(dim=0)) == 6


def test_same_seed_same_output_and_nothing_else_touched():
    x = images(40, 80, 80)  # large enough to go through in pieces
    before, state = x.clone(), torch.get_rng_state()
    first = augment_cmr(x, SETTINGS, seeded(7), 0.9)
    assert first.equal(augment_cmr(x, SETTINGS, seeded(7), 0.9))
    assert not first.equal(augment_cmr(x, SETTINGS, seeded(8), 0.9))
    assert x.equal(before)
    assert torch.get_rng_state().equal(state)


def test_half_precision_comes_back_as_float32():
    y = augment_cmr(images().half(), SETTINGS, seeded(), 0.5)
    assert y.dtype == torch.float32
    assert augment_cmr(images(0), SETTINGS, seeded()).shape == (0, 3, 32, 32)
