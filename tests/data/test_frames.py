import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.data.frames import pick_frames


def beat(frames, es):
    """A ventricle that empties until `es` and fills again."""
    time = np.arange(frames)
    phase = np.where(time <= es, time / es, (frames - time) / (frames - es))
    return 100 + 50 * np.cos(np.pi * phase)


def test_systole_diastole_and_the_middle_of_the_contraction():
    assert pick_frames(beat(50, 18)) == (18, 0, 9)


@given(st.integers(20, 60), st.data())
def test_a_shift_in_time_shifts_all_three(frames, data):
    es = data.draw(st.integers(frames // 4, frames // 2))
    shift = data.draw(st.integers(0, frames - 1))
    area = beat(frames, es)
    here, there = pick_frames(area), pick_frames(np.roll(area, shift))
    assert all(
        (after - before - shift) % frames in (0, 1, frames - 1) for before, after in zip(here, there, strict=True)
    )
