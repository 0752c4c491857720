import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.cmr.heart import order_frames, pick_frames


def beat(frames, es):
    """A ventricle that empties until `es` and fills again."""
    time = np.arange(frames)
    phase = np.where(time <= es, time / es, (frames - time) / (frames - es))
    return 100 + 50 * np.cos(np.pi * phase)


def test_systole_diastole_and_the_middle_of_the_contraction():
    assert pick_frames(beat(50, 18)) == (18, 0)
    assert order_frames(18, 0, 50) == (18, 0, 9)
    assert order_frames(18, 0, 50, "half_systole", ["es", "mid", "ed"]) == (18, 9, 0)


def test_the_rules_of_mid_phase_differ_where_end_diastole_is_not_the_first_frame():
    assert order_frames(17, 48, 50)[2] == 48 + 19 // 2 - 50
    assert order_frames(17, 48, 50, "half_systole")[2] == 8


@given(st.integers(20, 60), st.data())
def test_a_shift_in_time_shifts_all_three(frames, data):
    es = data.draw(st.integers(frames // 4, frames // 2))
    shift = data.draw(st.integers(0, frames - 1))
    area = beat(frames, es)
    here, there = (order_frames(*pick_frames(found), frames) for found in (area, np.roll(area, shift)))
    assert all(
        (after - before - shift) % frames in (0, 1, frames - 1) for before, after in zip(here, there, strict=True)
    )
