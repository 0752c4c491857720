import numpy as np
import pytest
from cohort.raw_files import counts
from scipy.signal import butter, sosfiltfilt

from cmr2ecg.ecg.beats import _design, zero_phase
from cmr2ecg.ecg.quality import flat_leads, longest_constant, opposed, saturated_share, signal_to_noise_db

MV = counts(0) * 0.005
TIME = np.arange(5000) / 500


def test_longest_constant():
    signal = np.array([[1, 1, 1, 2, 2], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]])
    assert longest_constant(signal).tolist() == [3, 1, 5]


def test_flat_leads_move_less_than_a_count_or_stand_still():
    signal = MV.copy()
    signal[6] = 0.002 * np.sin(TIME)
    signal[7, 3000:3502] = 1
    signal[8, 3000:3499] = 1
    assert flat_leads(signal, 500, flat_uv=5, max_constant_s=1) == ["V1", "V2"]


@pytest.mark.parametrize("rate", [250, 500, 1000])
def test_saturated_share_counts_plateaus_alone(rate):
    time = np.arange(10 * rate) / rate
    wave = 2 * np.sin(2 * np.pi * time)
    assert saturated_share(wave[None], rate)[0] < 0.02  # the top of a sine is no plateau
    cut = np.clip(wave, -1.9, 1.8)
    expected = (np.arccos(0.95) + np.arccos(0.9)) / np.pi
    assert saturated_share(cut[None], rate)[0] == pytest.approx(expected, abs=0.01)
    assert saturated_share(0.1 * cut[None], rate)[0] == 0  # too near the middle to be a limit of the amplifier


@pytest.mark.parametrize("ratio_db", [0, 10, 20])
def test_signal_to_noise_of_a_tone_in_white_noise(ratio_db):
    """A tone of 10 Hz against the part of white noise above 40 Hz, 210 of 250 Hz of its band."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((12, 5000))
    tone = np.sqrt(2 * (210 / 250) * 10 ** (ratio_db / 10)) * np.sin(2 * np.pi * 10 * TIME)
    beside = 39 / 210 / 10 ** (ratio_db / 10)  # the white noise from 1 to 40 Hz counts as signal
    expected = ratio_db + 10 * np.log10(1 + beside)
    np.testing.assert_allclose(signal_to_noise_db(tone + noise, 500, 5.0), expected, atol=0.7)


def test_signal_to_noise_leaves_wander_out_and_white_noise_has_minus_7_db():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((12, 5000))
    slow = white + 30 * np.sin(2 * np.pi * 0.2 * TIME)
    np.testing.assert_allclose(signal_to_noise_db(white, 500, 5.0), -7.3, atol=1.2)
    np.testing.assert_allclose(signal_to_noise_db(slow, 500, 5.0), -7.3, atol=2.5)


def test_noiseless_records_have_the_noise_of_rounding():
    tone = 0.1 * np.sqrt(2) * np.sin(2 * np.pi * 10 * TIME)[None]
    assert signal_to_noise_db(tone, 500, 5.0)[0] == pytest.approx(20 * np.log10(0.1 / (0.005 / np.sqrt(12))), abs=0.2)


def test_opposed_leads():
    signal = MV.copy()
    signal[11] = signal[0] + 5
    assert not opposed(signal)
    signal[11] *= -1
    assert opposed(signal)
    signal[0] = 0
    assert not opposed(signal)


def test_filters_are_scipys_and_designed_once():
    signal = np.random.default_rng(0).normal(size=(3, 500))
    for order, band, kind in ((2, (1.0, 40.0), "bandpass"), (4, 40.0, "highpass")):
        wanted = sosfiltfilt(butter(order, band, kind, fs=500, output="sos"), signal, axis=1)
        np.testing.assert_array_equal(zero_phase(signal, order, band, kind, 500), wanted)
        assert _design(order, band, kind, 500) is _design(order, band, kind, 500)
