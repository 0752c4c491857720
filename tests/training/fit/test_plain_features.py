"""Features without an encoder: the mean beat, a coarse image, the planted latents."""

import h5py
import numpy as np
import pandas as pd
import pytest

from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.fit.plain_features import (
    BEAT_SAMPLES,
    GRID,
    beats_of,
    latents_of,
    mean_beat,
    pixels_of,
    rr_features,
)


def pulses(rate_hz, every_s=0.8, seconds=10.0):
    """Return an ECG of 12 leads with one narrow pulse a beat, k times as high in lead k, and the moments of beats."""
    moments = np.arange(0.5, seconds - 0.5, every_s)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    shape = np.exp(-0.5 * ((time[:, None] - moments) / 0.012) ** 2).sum(1)
    return np.arange(1, 13)[:, None] * shape, moments


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_the_mean_beat_is_the_beat_at_any_rate(rate_hz):
    ecg, moments = pulses(rate_hz)
    features = mean_beat(ecg, rate_hz)
    beat = features[:-3].reshape(12, BEAT_SAMPLES)
    peak = beat[0].argmax()
    assert abs(peak / (BEAT_SAMPLES - 1) * 0.7 - 0.25) < 0.02 and beat[0].max() > 0.8
    np.testing.assert_allclose(beat, np.arange(1, 13)[:, None] * beat[0], rtol=1e-9)
    rr, spread, beats = features[-3:]
    assert (rr, spread) == (pytest.approx(0.8, abs=2e-3), pytest.approx(0, abs=0.01)) and beats == len(moments)


def test_a_record_without_beats_gives_zeros_and_not_nan():
    assert not mean_beat(np.zeros((12, 1000)), 100).any()
    assert not mean_beat(pulses(100, every_s=20)[0], 100).any()


def test_intervals_between_beats_have_their_closed_forms():
    regular, _ = pulses(500, every_s=0.75)
    rate, mean, spread, rmssd, *_, shortest, longest, uneven = rr_features(regular, 500)
    assert mean == pytest.approx(0.75, abs=2e-3) and max(spread, rmssd) < 0.01 and uneven == 0
    assert rate == pytest.approx(1.2, abs=0.15) and shortest == pytest.approx(longest, abs=0.02)
    moments = np.cumsum([0.5, *[0.6, 1.0] * 5])  # every difference is 0.4 s
    time = np.arange(5000) / 500
    ecg = np.tile(np.exp(-0.5 * ((time[:, None] - moments) / 0.012) ** 2).sum(1), (12, 1))
    _, mean, spread, rmssd, cv, _, shortest, longest, uneven = rr_features(ecg, 500)
    assert (mean, spread, rmssd) == pytest.approx((0.8, 0.2, 0.4), abs=0.01) and uneven == 1
    assert (cv, shortest, longest) == pytest.approx((0.25, 0.75, 1.25), abs=0.01)
    assert not rr_features(np.zeros((12, 1000)), 100).any()


def test_all_subjects_in_order(small_dataset):
    eids = 9000001 + np.array([5, 0, 30])
    data = PairedData(small_dataset / "dataset.h5", eids, ("ecg", "cmr"), memory_mb=1000, image_size=48)
    beats, pixels = beats_of(data, 500), pixels_of(data)
    assert beats.shape == (3, 12 * BEAT_SAMPLES + 3) and pixels.shape == (3, 3 * GRID * GRID)
    with h5py.File(small_dataset / "dataset.h5") as file:
        rows = [file["eid"][:].tolist().index(eid) for eid in eids]
        np.testing.assert_allclose(beats[1], mean_beat(file["ecg"][rows[1]].astype(float), 500))
        means = [file["cmr"][row].astype(float).mean() for row in rows]
    np.testing.assert_allclose(pixels.mean(axis=1), means, atol=2e-3)


def test_latents_are_those_of_the_ecg_s_heart_and_of_nothing_else(tmp_path):
    truth = pd.DataFrame(
        {
            "eid": [9000001, 9000002],
            "z_ecg_age": [1.0, 2.0],
            "z_image_age": [3.0, 4.0],
            "ecg_lvedv": [100.0, 200.0],
            "ecg_territory": [0.0, np.pi / 2],
            "ecg_ischaemia": [0.5, 1.0],
            "risk_cad": [0.1, 0.9],
            "cad": [0, 1],
        }
    )
    truth.to_parquet(tmp_path / "truth.parquet")
    found = latents_of(tmp_path / "truth.parquet", np.array([9000002, 9000001]))
    np.testing.assert_allclose(found, [[2, 200, 1, 0, 1], [1, 100, 0.5, 0.5, 0]], atol=1e-12)
    with pytest.raises(InputError, match="1 subjects"):
        latents_of(tmp_path / "truth.parquet", np.array([9000003]))
