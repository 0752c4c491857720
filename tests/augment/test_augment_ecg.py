"""ECG augmentations: reference surrogate, spectra, moments, shares, and reproducibility."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.augment.ecg import add_noise, augment_ecg, fourier_surrogate, random_crop, rescale, shift_phases

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "reference.npz"
SETTINGS = {
    "surrogate": 0.1,
    "surrogate_probability": 0.5,
    "noise": 0.25,
    "noise_kind": "additive",
    "rescale": 0.5,
}
OFF = SETTINGS | {"surrogate": 0.0, "noise": 0.0, "rescale": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def records(batch: int = 4, samples: int = 200, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 12, samples, generator=seeded(seed))


def changed(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return which samples of a batch differ."""
    return (a != b).flatten(1).any(1)


def test_crop_gives_each_record_a_piece_of_its_own():
    ramp = torch.arange(5000.0).expand(64, 12, 5000) + 10_000 * torch.arange(64.0).view(64, 1, 1)
    crop = random_crop(ramp, 2500, seeded())
    start = crop[:, 0, 0] - 10_000 * torch.arange(64.0)
    assert crop.shape == (64, 12, 2500)
    assert ((crop.diff(dim=2) == 1).all() and (crop == crop[:, :1]).all()).item()  # unbroken, leads together
    assert len(start.unique()) > 50
    assert 0 <= start.min() < 500
    assert 2000 < start.max() <= 2500


def test_crop_reaches_both_ends_and_may_keep_all():
    starts = random_crop(torch.arange(4.0).expand(200, 1, 4), 3, seeded())[:, 0, 0]
    assert starts.unique().tolist() == [0, 1]
    x = records()
    assert random_crop(x, 200, seeded()).equal(x)
    assert random_crop(x[:0], 50, seeded()).shape == (0, 12, 50)


def test_short_records_are_refused():
    with pytest.raises(ValueError, match="records of 200 samples are too short for a crop of 201"):
        random_crop(records(), 201, seeded())


def test_surrogate_agrees_with_the_reference():
    if not GOLDEN.exists():
        pytest.skip("the reference numbers are not on this machine")
    with np.load(GOLDEN) as golden:
        signal, phase, wanted = (torch.from_numpy(golden[f"ft.{k}"]) for k in ("signal", "phase_uniform", "surrogate"))
    torch.testing.assert_close(shift_phases(signal, phase[0], 0.1), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shift_phases(signal[None], phase, 0.1)[0], wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 90), st.floats(0, 1), st.integers(0, 10**6))
def test_surrogate_keeps_amplitudes_and_the_phases_between_leads(samples, magnitude, seed):
    x = records(3, samples, seed)
    y = fourier_surrogate(x, magnitude, 1.0, seeded(seed))
    before, after = torch.fft.rfft(x), torch.fft.rfft(y)
    torch.testing.assert_close(after.abs(), before.abs(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        after[:, 0] * after[:, 5].conj(), before[:, 0] * before[:, 5].conj(), rtol=1e-3, atol=0.05
    )
    torch.testing.assert_close(y.mean(2), x.mean(2), rtol=1e-3, atol=1e-4)


def test_surrogate_phases_differ_between_records():
    y = fourier_surrogate(records(1).expand(2, -1, -1), 0.1, 1.0, seeded())
    assert (y[0] - y[1]).abs().max() > 0.01


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_share_of_records(probability):
    x = records(600, 20)
    for y in (
        fourier_surrogate(x, 0.1, probability, seeded()),
        augment_ecg(x, SETTINGS, seeded(), probability),
    ):
        assert changed(x, y).float().mean().item() == pytest.approx(probability, abs=0.06)


def test_noise():
    x = records(16, 500) * 3 + 1
    noise = add_noise(x, 0.25, "additive", seeded()) - x
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)
    assert noise.mean().abs() < 0.005
    factor = add_noise(x, 0.25, "multiplicative", seeded()) / x - 1
    assert factor[x.abs() > 0.1].std().item() == pytest.approx(0.6 * 0.25, rel=0.02)
    assert not add_noise(torch.zeros_like(x), 0.25, "multiplicative", seeded()).any()
    with pytest.raises(ValueError, match="additive or multiplicative"):
        add_noise(x, 0.25, "pink", seeded())


def test_rescale_is_one_number_a_record():
    x = records(2000, 5)
    factor = rescale(x, 0.5, seeded()) / x
    torch.testing.assert_close(factor, factor[:, :1, :1].expand_as(factor), rtol=1e-4, atol=1e-5)
    assert factor[:, 0, 0].mean().item() == pytest.approx(1, abs=0.04)
    assert factor[:, 0, 0].std().item() == pytest.approx(0.5, abs=0.03)


def test_all_off_is_the_identity():
    x = records()
    torch.testing.assert_close(augment_ecg(x, OFF, seeded()), x, rtol=1e-5, atol=1e-5)


def test_same_seed_same_output_and_nothing_else_touched():
    x = records(40, 2500)  # large enough to go through in pieces
    before, state = x.clone(), torch.get_rng_state()
    first = augment_ecg(x, SETTINGS, seeded(7), 0.9)
    assert first.equal(augment_ecg(x, SETTINGS, seeded(7), 0.9))
    assert not first.equal(augment_ecg(x, SETTINGS, seeded(8), 0.9))
    assert x.equal(before)
    assert torch.get_rng_state().equal(state)
    assert first.isfinite().all()


def test_half_precision_comes_back_as_float32():
    assert augment_ecg(records().half(), SETTINGS, seeded(), 0.5).dtype == torch.float32
    assert augment_ecg(records(0), SETTINGS, seeded()).shape == (0, 12, 200)
