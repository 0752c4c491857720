import numpy as np
import pytest
from cohort.raw_files import CROP, cine, write_cmr
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_settings import changed

from cmr2ecg.cmr.crop import crop_heart, heart_box, linear_weights, min_max, padded_box, resample_box, square_box
from cmr2ecg.cmr.heart import Heart
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.steps.crop_cmr import crop_file


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


def test_bright_fat_is_clipped_where_a_percentile_is_set():
    frames = np.full((3, 20, 20), 10.0)
    frames[:, :10], frames[:, 0, :2] = 110.0, 1010.0  # blood in a half, fat in 0.5 %
    assert min_max(frames)[0, 5, 5] == pytest.approx(0.1)
    clipped = min_max(frames, 99)
    assert clipped[0, 5, 5] == clipped.max() == 1 and clipped.min() == 0
    np.testing.assert_array_equal(min_max(frames, 100), min_max(frames))
    assert not min_max(np.full((2, 3, 3), 7.0), 99).any()


def drawn_heart(middle: tuple[float, float]) -> Heart:
    """A left ventricular pool in rows 40 to 59 and columns 50 to 69, both ventricles around `middle`."""
    pool = np.zeros((120, 120), bool)
    pool[40:60, 50:70] = True
    return Heart((49.5, 59.5), middle, pool, np.ones(20))


@pytest.mark.parametrize("spacing", [(2.0, 2.0), (1.0, 2.5)])
def test_the_box_lies_around_both_ventricles_and_keeps_its_distance_from_the_left_one(spacing):
    row, column, height, width = heart_box(drawn_heart((48.0, 55.0)), spacing, 142.0)
    assert (row + height / 2, column + width / 2) == (48.5, 55.5)
    row, column, height, width = heart_box(drawn_heart((90.0, 0.0)), spacing, 142.0)
    assert (40 - row) * spacing[0] == pytest.approx(25)
    assert (column + width - 70) * spacing[1] == pytest.approx(25)


def test_a_box_too_small_for_that_goes_no_farther_than_the_left_ventricles_centre():
    assert heart_box(drawn_heart((90.0, 0.0)), (2.0, 2.0), 60.0) == square_box((49.5, 59.5), (2.0, 2.0), 60.0)


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


def test_the_fixed_box_is_the_authors():
    """int(0.21 S), int(0.325 S), int(0.375 S) of the frame padded to S = 210: 44, 68, 78 pixels."""
    assert padded_box((210, 210), 210, **dict(CROP.fixed_box)) == (44, 68, 78, 78)
    assert padded_box((208, 208), 210, **dict(CROP.fixed_box)) == (43, 67, 78, 78)
    assert padded_box((208, 160), 210, **dict(CROP.fixed_box)) == (43, 43, 78, 78)
    assert padded_box((300, 256), 210, **dict(CROP.fixed_box)) == (63, 97 - 22, 112, 112)


def test_the_fixed_crop_equals_padding_and_cutting():
    pixels = np.pad(cine(side=96), ((0, 0), (56, 56), (56, 56)))  # 208 x 208
    whole = Cine(pixels, (4.0, 4.0), 4, 8, 0)
    image = crop_heart(whole, size=210, box_mm=142.0, crop="fixed", fixed_box=dict(CROP.fixed_box))
    chosen = min_max(pixels[list(image.frames)].astype(np.float32))
    cut = np.pad(chosen, ((0, 0), (1, 1), (1, 1)))[:, 44 : 44 + 78, 68 : 68 + 78]
    inner = slice(3, -3)  # the rim mixes with what lies beyond the box
    np.testing.assert_allclose(
        image.pixels[:, inner, inner], resample_box(cut, (0, 0, 78, 78), 210)[:, inner, inner], atol=1e-5
    )


def test_channels_and_mid_phase_follow_the_settings():
    whole = Cine(np.roll(cine(), 3, axis=0), (4.0, 4.0), 4, 8, 0)
    plain = crop_heart(whole, size=32, box_mm=142.0)
    other = crop_heart(whole, size=32, box_mm=142.0, channels=["ed", "mid", "es"], mid_phase="half_systole")
    assert (other.frames[2], other.frames[0]) == plain.frames[:2]
    assert other.frames[1] == plain.frames[0] // 2 != plain.frames[2]
    np.testing.assert_allclose(other.pixels[0], plain.pixels[1], atol=0.01)  # scaled by the largest of other frames
    assert other.areas_mm2 == plain.areas_mm2


def test_end_diastole_is_the_largest_pool_or_the_first_frame():
    whole = Cine(np.roll(cine(), 3, axis=0), (4.0, 4.0), 4, 8, 0)
    plain = crop_heart(whole, size=32, box_mm=142.0)
    first = crop_heart(whole, size=32, box_mm=142.0, end_diastole="first_frame")
    assert plain.frames[1] in (2, 3, 4)
    assert first.frames == (plain.frames[0], 0, plain.frames[0] // 2)
    assert first.areas_mm2[0] == plain.areas_mm2[0] < first.areas_mm2[1] < plain.areas_mm2[1]


def test_a_box_by_hand_is_used_and_the_heart_is_looked_for_in_it():
    """Two hearts beat in one frame; the box chooses."""
    pixels = np.concatenate([cine(seed=1), cine(seed=2, es=9)], axis=2)
    whole = Cine(pixels, (4.0, 4.0), 4, 8, 0)
    for box, es, centre in (((10.0, 20.0, 70.0, 68.0), 7, (44, 52)), ((8.5, 110.0, 80.0, 78.0), 9, (44, 148))):
        image = crop_heart(whole, size=64, box_mm=142.0, box_by_hand=box)
        assert image.box == box and abs(image.frames[0] - es) <= 1
        np.testing.assert_allclose(image.centre, centre, atol=1)
    with pytest.raises(Rejection, match="box by hand outside the frame"):
        crop_heart(whole, size=64, box_mm=142.0, box_by_hand=(500.0, 20.0, 70.0, 68.0))


def test_what_was_used_stands_beside_the_pixels(tmp_path):
    path = str(write_cmr(tmp_path, 9_000_001))
    row, measures = crop_file((path, "", None), CROP)
    assert (measures["heart_by"], measures["box_by"], measures["notes"]) == ("motion", "motion", "")
    assert row["slice"] == 4 and len(row["box"]) == 4 and len(row["frames"]) == 3
    assert crop_file((path, "", (20.0, 20.0, 50.0, 60.0)), CROP)[1]["box_by"] == "hand"
    row, measures = crop_file((path, "", None), changed(CROP, crop="fixed"))
    assert measures["box_by"] == "fixed" and row["box"] == (44 - 57, 68 - 57, 78, 78)


def test_a_first_frame_that_is_missing_is_noted(monkeypatch):
    pixels = cine()
    pixels[0] = pixels[1]
    taken = (1, *range(1, len(pixels)))
    whole = Cine(pixels, (4.0, 4.0), 4, 8, 1, taken=taken)
    monkeypatch.setattr("cmr2ecg.steps.crop_cmr.read_middle_slice", lambda *_, **__: whole)
    row, measures = crop_file(("x.zip", "", None), changed(CROP, end_diastole="first_frame"))
    assert (row["frames"][1], measures["notes"]) == (1, "end-diastole may be missing")
