"""Augmentations of contrastive views: flips, and the masked spectrogram against numpy and in closed form."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_settings import paper_settings

from cmr2ecg.augment.draw import uniform
from cmr2ecg.augment.ecg_views import augment_view, mask_spectrogram, sign_flip, time_flip

SETTINGS = paper_settings()["pretrain"]["contrastive"]["simclr"]["augment"]
OFF = SETTINGS | dict.fromkeys(("surrogate", "noise", "rescale", "time_flip", "sign_flip", "spectrogram_mask"), 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def records(batch: int = 4, samples: int = 300, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 12, samples, generator=seeded(seed))


def changed(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return which samples of a batch differ."""
    return (a != b).flatten(1).any(1)


def numpy_mask(x: np.ndarray, share: float, window: int, in_time: bool, place: float) -> np.ndarray:
    """Do the same to one lead (T,): windows that overlap by three quarters, a band of bins to 0, overlap and add."""
    hop, padded = window // 4, np.pad(x, window // 2, mode="reflect")
    starts = range(0, len(padded) - window + 1, hop)
    spectrum = np.stack([np.fft.rfft(padded[start : start + window]) for start in starts])
    bins = spectrum.shape[0 if in_time else 1]
    width = int(bins * share)
    band = slice(int(place * (bins - width + 1)), int(place * (bins - width + 1)) + width)
    spectrum[(band, slice(None)) if in_time else (slice(None), band)] = 0
    total, count = np.zeros_like(padded), np.zeros_like(padded)
    for start, row in zip(starts, spectrum, strict=True):
        total[start : start + window] += np.fft.irfft(row, window)
        count[start : start + window] += 1
    return (total / count.clip(1))[window // 2 : window // 2 + len(x)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.9), st.sampled_from([8, 20, 33, 120]))
def test_masked_spectrogram_agrees_with_numpy(seed, share, window):
    x = records(2, seed=seed)
    y = mask_spectrogram(x, share, window, seeded(seed))
    same = seeded(seed)
    in_time, place = (uniform((2,), same, x.device).numpy() for _ in range(2))
    for record in range(2):
        for lead in (0, 7):
            wanted = numpy_mask(x[record, lead].double().numpy(), share, window, in_time[record] >= 0.5, place[record])
            np.testing.assert_allclose(y[record, lead], wanted, rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.9))
def test_masked_spectrogram_is_linear_and_the_same_for_all_leads(seed, share):
    a, b = records(3, seed=seed), records(3, seed=seed + 1)
    masked = [mask_spectrogram(x, share, 40, seeded(seed)) for x in (a, b, 2 * a - 3 * b)]
    torch.testing.assert_close(masked[2], 2 * masked[0] - 3 * masked[1], rtol=1e-3, atol=1e-3)
    one = mask_spectrogram(a[:, :1].expand(-1, 12, -1), share, 40, seeded(seed))
    torch.testing.assert_close(one, one[:, :1].expand(-1, 12, -1))


def test_what_is_blanked_in_a_flat_record():
    """A constant has one frequency, 0: a band of frequencies takes all of it or nothing, a stretch of time a gap."""
    y = mask_spectrogram(torch.ones(600, 1, 2500), 0.25, 120, seeded())[:, 0]
    whole = ((y - 1).abs() < 1e-4).all(1)
    nothing = (y.abs() < 1e-4).all(1)
    gap = ~whole & ~nothing
    assert gap.float().mean().item() == pytest.approx(0.5, abs=0.06)
    # int(61 x 0.25) = 15 of 61 frequencies: one of the 47 places of the band holds frequency 0.
    assert nothing.float().mean().item() == pytest.approx(0.5 / 47, abs=0.02)
    empty = (y[gap].abs() < 1e-4).sum(1)
    # 21 of 84 windows at every 30 samples; the three samples' hops at each end still belong to a window that is kept.
    assert empty.max() <= 21 * 30 + 60 and empty.median() == 18 * 30
    assert ((y[gap] - 1).abs() < 1e-4).sum(1).min() >= 2500 - 24 * 30 - 60


def test_nothing_is_masked_at_share_zero():
    x = records()
    assert mask_spectrogram(x, 0.0, 120, seeded()).equal(x)
    torch.testing.assert_close(mask_spectrogram(x, 1e-6, 120, seeded()), x, rtol=1e-4, atol=1e-4)  # a band of no bins


@pytest.mark.parametrize("flip", [time_flip, sign_flip])
def test_flips_undo_themselves_and_take_their_share(flip):
    x = records(600, 20)
    assert flip(flip(x, 1.0, seeded()), 1.0, seeded()).equal(x)
    assert flip(x, 0.0, seeded()).equal(x)
    assert changed(x, flip(x, 0.3, seeded())).float().mean().item() == pytest.approx(0.3, abs=0.06)


def test_flips_do_what_they_say():
    x = torch.arange(24.0).view(1, 2, 12)
    assert time_flip(x, 1.0, seeded())[0, 1].tolist() == list(range(23, 11, -1))
    assert sign_flip(x, 1.0, seeded()).equal(-x)


def test_all_off_is_the_identity():
    x = records()
    torch.testing.assert_close(augment_view(x, OFF, seeded()), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["surrogate", "noise", "rescale", "time_flip", "sign_flip", "spectrogram_mask"])
def test_each_part_of_the_chain_changes_every_record(name):
    x = records(20)
    y = augment_view(x, OFF | {name: 1.0 if name.endswith("flip") else 0.5}, seeded())
    assert ((y - x).abs().flatten(1).max(1).values > 1e-3).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_share_of_records(probability):
    x = records(600, 130)
    differs = changed(x, augment_view(x, SETTINGS, seeded(), probability))
    assert differs.float().mean().item() == pytest.approx(probability, abs=0.06)


def test_same_seed_same_output_and_nothing_else_touched():
    x = records(40, 2500)  # large enough to go through in pieces
    before, state = x.clone(), torch.get_rng_state()
    first = augment_view(x, SETTINGS, seeded(7), 0.9)
    assert first.equal(augment_view(x, SETTINGS, seeded(7), 0.9))
    assert not first.equal(augment_view(x, SETTINGS, seeded(8), 0.9))
    assert x.equal(before) and torch.get_rng_state().equal(state) and first.isfinite().all()


def test_half_precision_comes_back_as_float32_and_an_empty_batch_stays_empty():
    assert augment_view(records().half(), SETTINGS, seeded(), 0.5).dtype == torch.float32
    assert augment_view(records(0), SETTINGS, seeded()).shape == (0, 12, 300)
