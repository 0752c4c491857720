import numpy as np
import pytest
from data.raw_files import cine
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.data.crop import crop_heart, linear_weights, min_max, resample_box, square_box
from cmr2ecg.ukb.short_axis import Cine


def test_the_whole_frame_at_its_own_size_is_unchanged():
    frames = np.random.default_rng(0).random((3, 30, 30)).astype(np.float32)
    np.testing.assert_allclose(resample_box(frames, (0, 0, 30, 30), 30), frames, atol=1e-6)


def test_cropping_equals_padding_then_cropping():
    frames = np.random.default_rng(0).random((3, 192, 208)).astype(np.float32)
    padded = np.pad(frames, ((0, 0), (9, 9), (1, 1)))
    box = (150.5, -4.25, 77.6, 77.6)
    shifted = (box[0] + 9, box[1] + 1, *box[2:])
    np.testing.assert_allclose(resample_box(frames, box, 210), resample_box(padded, shifted, 210), atol=1e-5)


def test_a_ramp_stays_a_ramp():
    ramp = np.tile(np.arange(40, dtype=np.float32), (1, 40, 1))
    result = resample_box(ramp, (10, 5, 20, 20), 60)[0]
    np.testing.assert_allclose(result[30], 5 + (np.arange(60) + 0.5) / 3 - 0.5, atol=1e-4)


def test_outside_the_frame_is_zero():
    result = resample_box(np.ones((1, 20, 20), np.float32), (-100, -100, 50, 50), 10)
    assert not result.any()


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(1, 300), st.integers(1, 64), st.integers(1, 64))
def test_values_stay_within_the_range(start, length, size, pixels):
    weights = linear_weights(start, length, size, pixels)
    assert weights.shape == (size, pixels)
    assert (weights >= 0).all() and (weights.sum(axis=1) <= 1 + 1e-5).all()


def test_min_max_scales_all_frames_together():
    frames = np.array([[[10.0, 20.0]], [[30.0, 50.0]]])
    np.testing.assert_allclose(min_max(frames), [[[0, 0.25]], [[0.5, 1]]])
    assert not min_max(np.full((2, 3, 3), 7.0)).any()


def test_the_box_has_the_same_millimetres_both_ways():
    row, column, height, width = square_box((50, 60), (2.0, 4.0), 142)
    assert (height * 2, width * 4) == (142, 142)
    assert (row + height / 2, column + width / 2) == (50.5, 60.5)


@pytest.mark.parametrize("side", [96, 260])
def test_a_cine_becomes_three_frames_around_the_heart(side):
    pixels = cine(side=96)
    if side > 96:  # larger than the result: nothing is cut but the box
        pixels = np.pad(pixels, ((0, 0), (82, 82), (82, 82)))
    shift = (side - 96) // 2
    image = crop_heart(Cine(pixels, (4.0, 4.0), 4, 8, 0), size=210, box_mm=142.0)
    assert image.pixels.shape == (3, 210, 210) and image.pixels.dtype == np.float32
    assert image.pixels.min() >= 0 and image.pixels.max() <= 1
    assert image.frames[1] in (19, 0, 1) and abs(image.frames[0] - 7) <= 1
    np.testing.assert_allclose(image.centre, (44 + shift, 52 + shift), atol=1)
    assert image.areas_mm2[0] < image.areas_mm2[1]
    blood = (image.pixels > 0.6)[:, 80:130, 80:130].mean(axis=(1, 2))
    assert blood[0] < blood[2] < blood[1], "end-systole, mid-phase, end-diastole fill more and more"
