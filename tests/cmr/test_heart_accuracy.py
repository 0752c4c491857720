"""The heart in synthetic cines of full size whose truth is known; the report in docs/raw_data.md has other subjects."""

import numpy as np
from heart_accuracy import SEED, measure, shares

SUBJECTS, OTHER_SEED = 12, 77


def test_centre_ventricle_and_end_systole_on_a_few_subjects():
    assert OTHER_SEED != SEED
    found = measure(SUBJECTS, OTHER_SEED)
    assert len(found) == SUBJECTS
    assert min(shares(found).values()) >= (SUBJECTS - 1) / SUBJECTS
    assert found["centre_mm"].median() < 3


def test_a_wide_right_ventricle_in_a_bright_rim_of_fat_stays_in_the_crop():
    found = measure(SUBJECTS, OTHER_SEED, right_mm=40.0, fat=2400.0, frames=20)
    assert found["left_mm"].min() >= 10
    assert found["right_mm"].min() >= 5  # around the left ventricle's centre it touched or crossed the edge


def test_the_widest_right_ventricle_pushes_the_left_one_no_nearer_than_10_mm_to_the_edge():
    found = measure(SUBJECTS, OTHER_SEED, right_mm=60.0, frames=20)
    assert found["left_mm"].min() >= 10
    assert found["right_mm"].median() >= 2  # the hearts measure 126 mm and more in a box of 142


def test_the_widest_right_ventricle_in_a_bright_rim_of_fat_is_looked_for_beyond_the_centre_of_motion():
    found = measure(SUBJECTS, OTHER_SEED, right_mm=60.0, fat=2400.0, frames=20)
    assert found["left_mm"].min() >= 10
    assert (found["right_mm"] >= 0).mean() >= 0.6


def test_a_heart_that_is_not_found_passes_no_target(monkeypatch):
    import heart_accuracy

    from cmr2ecg.raw.rejection import Rejection

    def never(*_, **__):
        raise Rejection("no left ventricle found")

    monkeypatch.setattr(heart_accuracy, "crop_heart", never)
    found = measure(2, OTHER_SEED, frames=10, matrix=64)
    assert not np.any(list(shares(found).values()))
