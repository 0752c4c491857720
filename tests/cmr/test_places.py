"""Frames keep their place in the beat when others are lost."""

import numpy as np
import pytest
from cmr.dicom_zips import rewritten
from cohort.raw_files import CROP, stack

from cmr2ecg.cmr.dicom import Frame
from cmr2ecg.cmr.places import expected_frames, places_in_beat, whole_beat
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.steps.crop_cmr import crop_file

BEAT, ES = 50, 15
PIXELS = np.zeros((16, 16), np.uint16)


def frames(places, *, number=1, step=19.0, start=0.0, rounded=0.1):
    """Frames at `places`; InstanceNumber counts from `number` (None: absent), times are steps from `start` on."""
    made = []
    for place in places:
        time = None if step is None else float(np.round((start + place * step) / rounded) * rounded)
        instance = None if number is None else number + place
        made.append(Frame(PIXELS, (1.0, 0.0), (1.0, 1.0), "", "1", time, instance, BEAT))
    return made


LOST = [range(5), range(45, 50), range(10, 20), [0], [3, 4, 30], [0, 1, 20, 48, 49], range(0, 50, 6)]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rounded": 2.5},
        {"number": 201},  # the fifth slice of one mixed series
        {"step": None},
        {"number": None},
        {"number": None, "rounded": 2.5},
        {"number": None, "start": 9.5},
        {"number": 7, "start": 9.5, "rounded": 2.5},  # its numbers lie in two beats
    ],
)
def test_places_by_number_or_time(lost, options):
    there = np.setdiff1d(np.arange(BEAT), list(lost))
    np.testing.assert_array_equal(places_in_beat(frames(there, **options), BEAT), there)


@pytest.mark.parametrize("lost", LOST)
def test_where_neither_tells_or_they_disagree_nothing_is_guessed(lost):
    there = np.setdiff1d(np.arange(BEAT), list(lost))
    neither = frames(there, number=None, step=None)
    renumbered = [
        Frame(**{**frame.__dict__, "instance": index + 1}) for index, frame in enumerate(frames(there, start=9.5))
    ]
    for given in (neither, renumbered):
        if given is renumbered and np.array_equal(there, np.arange(len(there))):
            continue  # only the end is lost: the new numbers are the old ones
        if given is renumbered and there[0] == 1 and len(there) == 49:
            continue  # a step more is no contradiction
        with pytest.raises(Rejection) as caught:
            places_in_beat(given, BEAT)
        assert caught.value.reason == "frames without a place in the beat"


def test_the_length_of_a_beat_that_is_not_stated():
    assert expected_frames(frames([2, 4, 6, 7, 8, 9, 10]), 1) == 11
    assert expected_frames(frames(range(10)), 2) == 12
    assert expected_frames(frames([0, 2, 3, 5], number=101), 0) == 6
    assert expected_frames(frames([0, 20, 40]), 0) == 3  # numbers of something else
    assert expected_frames(frames(range(9), number=None), 1) == 10


def test_absent_frames_are_copies_of_the_nearest():
    pixels = np.arange(4)[:, None, None] * np.ones((1, 2, 2), int)
    whole, taken = whole_beat(pixels, np.array([1, 2, 5, 6]), 8)
    assert taken == (1, 1, 2, 2, 5, 5, 6, 6)
    np.testing.assert_array_equal(whole[:, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])
    assert whole_beat(pixels, np.arange(4), 4) == (pixels, ())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    volume = stack(8, BEAT, 64, es=ES, centre=(30.0, 34.0))
    write_sax_zip(path, volume, pixel_spacing_mm=4.0, seed=3, manifest=None, inline_vf=False)
    return path


@pytest.mark.parametrize("change", ["lost", "rubbish"])
@pytest.mark.parametrize("lost", [[], range(5), range(25, 35), [15], [2, 3, 40]])
def test_end_systole_keeps_its_place(whole, tmp_path, lost, change):
    row, measures = crop_file((str(damaged(whole, tmp_path / "x.zip", lost, change)), "", None), CROP)
    systole, diastole, middle = row["frames"]
    assert abs(systole - ES) <= 1 and min(diastole, BEAT - diastole) <= 2 and abs(middle - ES // 2) <= 1
    assert not {systole, diastole, middle} & set(lost)  # none is a copy
    assert (measures["beat_frames"], measures["missing_frames"]) == (BEAT - len(lost), len(lost))
    notes = measures["notes"].split("; ")
    assert ("end-diastole may be missing" in notes) == (list(lost) == list(range(5)))
    assert ("end-systole may be missing" in notes) == (15 in lost)


def damaged(source, target, lost, change):
    number = [0]

    def apply(dataset):
        gone = dataset.SeriesDescription.endswith("b5") and dataset.InstanceNumber - 1 in lost
        if gone and change == "lost":
            dataset.SeriesDescription = "elsewhere"
        number[0] += 1
        return b"rubbish" if gone and change == "rubbish" else None

    return rewritten(source, target, apply)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        (range(10, 20), "no end-systole in the cine"),
        ([*range(45, 50), *range(5)], "no end-diastole in the cine"),
    ],
)
def test_without_end_systole_or_end_diastole_there_is_no_image(whole, tmp_path, lost, reason):
    with pytest.raises(Rejection) as caught:
        crop_file((str(damaged(whole, tmp_path / "x.zip", lost, "lost")), "", None), CROP)
    assert caught.value.reason == reason
