"""Assemble one beat from the decoded frames of a slice: one acquisition, ordered in time, without misfits."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from cmr2ecg.cmr.dicom import Frame
from cmr2ecg.cmr.places import expected_frames
from cmr2ecg.raw.rejection import Rejection

COLUMNS = 50  # used to compare frames
DARK = 0.75  # rows darker than this share of the image's mean count as that bright, since dark rows are mostly noise
MISFIT = 0.6  # share by which a row of pixels differs from the same row over the beat; a beating heart stays below


def one_beat(frames: Sequence[Frame], failed: int, enough: Callable[[int, int], bool]) -> tuple[list[Frame], int, list]:
    """Return the frames of one acquisition in order of time, how many the beat should have, and notes.

    A repeated slice has a second SeriesInstanceUID; the last in sorted order is used, as in Bai et al., unless it
    lacks frames that an earlier one has.

    Args:
        frames: decoded frames of one slice.
        failed: files that did not decode.
        enough: whether (number, expected) frames are a usable beat.

    Raises:
        Rejection: too few frames, or frames without an order in time.
    """
    taken: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        taken[frame.series_uid].append(frame)
    notes = [f"times the slice was taken: {len(taken)}"] if len(taken) > 1 else []
    beats = [_beat(taken[uid], failed if len(taken) == 1 else 0) for uid in sorted(taken, reverse=True)]
    for beat, expected, beat_notes in beats:
        if enough(len(beat), expected):
            return _in_order_of_time(beat), expected, notes + beat_notes
    beat, expected, _ = max(beats, key=lambda found: len(found[0]))
    raise Rejection("too few frames", f"{len(beat)} of {expected}")


def join_pixels(frames: Sequence[Frame]) -> np.ndarray:
    """Return (frames, rows, columns): the files' integers, or float32 if frames differ in their scale of brightness."""
    pixels = np.stack([frame.pixels for frame in frames])
    scales = np.array([frame.rescale for frame in frames], np.float32)
    if (scales == scales[0]).all():  # cropped images are scaled to [0, 1] anyway
        return pixels
    return pixels * scales[:, :1, None] + scales[:, 1:, None]


def fitting(pixels: np.ndarray) -> np.ndarray:
    """Return (frames,) bool: False for frames with a row that differs by MISFIT from that row's mean over the beat.

    This detects a hole or a shift in a damaged file; a beating heart fills only part of a row. The worst frame is
    removed first, since it shifts the mean.
    """
    few = pixels[:, :, :: max(1, pixels.shape[2] // COLUMNS)].astype(np.float32)
    keep = np.ones(len(few), bool)
    while keep.sum() > 2:
        mean = few[keep].mean(axis=0)
        usual = np.abs(mean).mean(axis=1)
        off = np.abs(few - mean).mean(axis=2) / np.maximum(usual, DARK * usual.mean() + 1e-6)
        worst = int(np.where(keep, off.max(axis=1), 0).argmax())
        if off[worst].max() <= MISFIT:
            break
        keep[worst] = False
    return keep


def _beat(frames: list[Frame], failed: int) -> tuple[list[Frame], int, list[str]]:
    """Return the frames that belong together, their expected number, and notes."""
    notes = [f"frames undecodable: {failed}"] if failed else []
    expected = Counter(frame.frames for frame in frames).most_common(1)[0][0] or 0
    expected = expected if expected > 0 else expected_frames(frames, failed)
    same = _of_one_size(frames)
    if len(same) < len(frames):
        notes.append(f"frames of another size: {len(frames) - len(same)}")
    times = [frame.trigger_ms for frame in same]
    if len(same) > expected and None not in times and len(set(times)) < len(same):
        last = {frame.trigger_ms: frame for frame in sorted(same, key=lambda frame: frame.instance or 0)}
        same = list(last.values())
        notes.append("frames taken again")
    absent = expected - len(frames) - failed
    if absent > 0:
        notes.append(f"frames missing: {absent}")
    return same, max(expected, len(same)), notes


def _of_one_size(frames: list[Frame]) -> list[Frame]:
    """Return the frames with the most common size and pixel spacing."""
    sizes = [(frame.pixels.shape, frame.spacing_mm) for frame in frames]
    usual = Counter(sizes).most_common(1)[0][0]
    return [frame for frame, size in zip(frames, sizes, strict=True) if size == usual]


def _in_order_of_time(frames: list[Frame]) -> list[Frame]:
    """Sort by TriggerTime where every frame has its own, else by InstanceNumber."""
    for marks in ([frame.trigger_ms for frame in frames], [frame.instance for frame in frames]):
        known = [mark for mark in marks if mark is not None]
        if len(set(known)) == len(frames):
            return [frames[index] for index in np.argsort(known)]
    raise Rejection("frames without an order in time")
