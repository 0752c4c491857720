import numpy as np
import pytest
from heart_accuracy import FAT, _cines

from cmr2ecg.cmr.beat import fitting
from cmr2ecg.study.settings.cohort import SimulateCohort


@pytest.mark.parametrize(("frames", "matrix"), [(50, 208), (25, 96), (12, 64)])
def test_frames_of_sound_cines_fit_and_a_hole_does_not(frames, matrix):
    """Air and lung are noise, of which rows differ by half; the beating heart is bright and fills part of a row."""
    settings = SimulateCohort(seed=31, frames=frames, matrix=matrix)
    for cine, centre, _ in _cines(4, settings, 0.5, None, FAT):
        assert fitting(cine.pixels).all()
        broken = cine.pixels.copy()
        row = round(float(centre[0]))
        broken[frames // 3, row : row + 3] = 0
        broken[frames // 2, row - 3 : row + 3] = 60_000
        expected = np.ones(frames, bool)
        expected[[frames // 3, frames // 2]] = False
        np.testing.assert_array_equal(fitting(broken), expected)
