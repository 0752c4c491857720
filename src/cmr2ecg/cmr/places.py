"""Positions of the available frames in the beat, so that a lost frame does not shift later ones."""

from collections.abc import Sequence

import numpy as np

from cmr2ecg.cmr.dicom import Frame
from cmr2ecg.raw.rejection import Rejection

REGULAR = 0.35  # of a step between frames, by which a distance in time may differ from whole steps
EARLY = 1.5  # steps between the position by number and by trigger time; a beat's first frame starts within a step
PLAUSIBLE = 1.5  # times the number of files: InstanceNumbers with a larger span do not number the frames of one beat


def expected_frames(frames: Sequence[Frame], failed: int) -> int:
    """Return the length of a beat whose files do not state it: InstanceNumber's span, at least the number of files."""
    files = len(frames) + failed
    numbers = [frame.instance for frame in frames if frame.instance is not None]
    if len(set(numbers)) < len(frames):
        return files
    first = 1 if min(numbers) >= 1 and max(numbers) <= PLAUSIBLE * files else min(numbers)
    span = max(numbers) - first + 1
    return max(files, span) if span <= PLAUSIBLE * files else files


def places_in_beat(frames: Sequence[Frame], expected: int) -> np.ndarray:
    """Return the position (frames,) of each frame among the `expected` of the beat, from 0.

    Args:
        frames: in order of time.

    Raises:
        Rejection: frames are missing, and neither InstanceNumber nor TriggerTime shows which, or they disagree.
    """
    if len(frames) == expected:
        return np.arange(expected)
    by_number, (steps, start) = _by_number(frames, expected), _by_time(frames)
    if steps is not None and by_number is None:
        first = 0 if steps[-1] == expected - 1 else int(np.floor(start + 0.25))
        if first >= 0 and first + steps[-1] < expected:
            return first + steps
    elif by_number is not None and (
        steps is None or (np.array_equal(by_number - by_number[0], steps) and abs(by_number[0] - start) < EARLY)
    ):
        return by_number
    raise Rejection("frames without a place in the beat", f"{len(frames)} of {expected}")


def whole_beat(pixels: np.ndarray, places: np.ndarray, expected: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the beat (expected, rows, columns), each absent frame a copy of the nearest, and where each was taken.

    The second is () if none is absent. The beat is cyclic; of two equally near frames the earlier is copied.
    """
    if len(places) == expected:
        return pixels, ()
    after = (np.arange(expected)[:, None] - places) % expected
    nearest = np.minimum(2 * after, 2 * (expected - after) + 1).argmin(axis=1)
    return pixels[nearest], tuple(places[nearest].tolist())


def _by_number(frames: Sequence[Frame], expected: int) -> np.ndarray | None:
    """Return positions by InstanceNumber, which counts from 1, in a mixed series from a multiple of the beat."""
    numbers = [frame.instance for frame in frames if frame.instance is not None]
    if len(numbers) < len(frames):
        return None
    blocks, places = np.divmod(np.array(numbers) - 1, expected)
    sound = (blocks == blocks[0]).all() and (np.diff(places) > 0).all()
    return places if sound else None


def _by_time(frames: Sequence[Frame]) -> tuple[np.ndarray | None, float]:
    """Return steps from the first frame on by TriggerTime, None if it is not regular; and the first one's, in steps."""
    times = [frame.trigger_ms for frame in frames if frame.trigger_ms is not None]
    if len(times) < max(len(frames), 3):
        return None, 0.0
    distances = np.diff(times)
    usual = np.median(distances)
    if not (distances > 0).all() or not np.isfinite(usual):
        return None, 0.0
    step = distances[distances < 1.5 * usual].mean()  # of many, since scanners round to 2.5 ms
    jumps = np.rint(distances / step)
    if (abs(distances / step - jumps) > REGULAR).any() or jumps.sum() > 10 * len(times):
        return None, 0.0
    return np.concatenate([[0], jumps.cumsum()]).astype(int), float(times[0] / step)
