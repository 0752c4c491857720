"""Cut the heart out of a short-axis cine: three frames, a square box, values in [0, 1] (paper §IV-A)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cmr2ecg.cmr.heart import PHASES, Heart, find_heart, order_frames, pick_frames
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.cmr.ventricle import Spacing, in_pixels
from cmr2ecg.raw.rejection import Rejection

Box = tuple[float, float, float, float]  # row0, column0, height, width in pixels of the raw frame, edges

MIN_BOX_PIXELS = 8  # pixels of a hand-drawn box within the frame
ROOM_MM = 25.0  # from the left ventricular blood pool to the edge of the box: its wall, and at least 10 mm more


@dataclass(frozen=True)
class HeartImage:
    """The image of one subject.

    pixels: (3, size, size) float32 in [0, 1]; channels end-systole, end-diastole, mid-phase unless set otherwise.
    box: row0, column0, height, width in pixels of the raw frame (edges, not centres; may lie partly outside).
    frames: index in time of each channel.
    centre: row, column of the left ventricle's centre in pixels of the raw frame.
    areas_mm2: the left ventricle's blood pool at end-systole and end-diastole.
    """

    pixels: np.ndarray
    box: Box
    frames: tuple[int, int, int]
    centre: tuple[float, float]
    areas_mm2: tuple[float, float]


def crop_heart(
    cine: Cine,
    *,
    size: int,
    box_mm: float,
    crop: str = "motion",
    fixed_box: Mapping[str, float] | None = None,
    channels: Sequence[str] = PHASES,
    mid_phase: str = "halfway",
    end_diastole: str = "largest",
    clip_percentile: float | None = None,
    box_by_hand: Box | None = None,
    segmented: Heart | None = None,
) -> HeartImage:
    """Find the heart in a cine and return its image.

    Args:
        cine: the middle slice over one beat.
        size: pixels a side of the result.
        box_mm: side of the square around the heart.
        crop: `motion`, a square around both ventricles, or `fixed`, the authors' position.
        fixed_box: top, left and side as shares of the padded frame, for `fixed`.
        channels, mid_phase: see `frames.order_frames`.
        end_diastole: `largest`, where the blood pool is, or `first_frame` of the cine (Bai et al.), which starts at the
            R peak.
        clip_percentile: see `min_max`.
        box_by_hand: a hand-drawn box; replaces any other, and the heart is searched only within it.
        segmented: the heart by a segmentation, which then need not be searched.

    Raises:
        Rejection: if no beating heart is found.
    """
    values = cine.pixels.astype(np.float32)
    heart = segmented or _find(values, cine.spacing_mm, box_by_hand)
    systole, diastole = heart.phases or pick_frames(heart.area)
    if end_diastole == "first_frame":
        diastole = 0
    chosen = order_frames(systole, diastole, len(values), mid_phase, channels)
    if box_by_hand is not None:
        box = box_by_hand
    elif crop == "fixed":
        box = padded_box(values.shape[1:], size, **(fixed_box or {}))
    else:
        box = heart_box(heart, cine.spacing_mm, box_mm)
    return HeartImage(
        pixels=resample_box(min_max(values[list(chosen)], clip_percentile), box, size),
        box=box,
        frames=chosen,
        centre=heart.centre,
        areas_mm2=(float(heart.area[systole]), float(heart.area[diastole])),
    )


def _find(values: np.ndarray, spacing_mm: tuple[float, float], within: Box | None) -> Heart:
    """Find the heart in the whole frame or in a box of it."""
    if within is None:
        return find_heart(values, spacing_mm)
    first = [max(0, int(start)) for start in within[:2]]
    last = [max(0, int(np.ceil(start + length))) for start, length in zip(within[:2], within[2:], strict=True)]
    part = values[:, first[0] : last[0], first[1] : last[1]]
    if min(part.shape) < MIN_BOX_PIXELS:
        raise Rejection("box by hand outside the frame", f"{part.shape[1]} x {part.shape[2]} pixels within it")
    heart = find_heart(np.ascontiguousarray(part), spacing_mm)
    centre, middle = (tuple(np.add(place, first).tolist()) for place in (heart.centre, heart.middle))
    return replace(heart, centre=centre, middle=middle)


def min_max(frames: np.ndarray, clip_percentile: float | None = None) -> np.ndarray:
    """Scale `frames` to [0, 1] by their joint minimum and maximum, so that channels stay comparable.

    Fat near the coil is brighter than blood; with `clip_percentile` that percentile of the frames replaces the
    maximum, and brighter values become 1.
    """
    low, high = float(frames.min()), float(frames.max())
    if clip_percentile is not None:
        high = float(np.percentile(frames, clip_percentile))
        frames = np.minimum(frames, high)
    return (frames - low) / max(high - low, float(np.finfo(np.float32).tiny))


def heart_box(heart: Heart, spacing_mm: Spacing, box_mm: float) -> Box:
    """Return the square of `box_mm` around the middle of both ventricles.

    It is shifted just enough to leave ROOM_MM around the left ventricular blood pool; a box too small for that is
    shifted at most to the left ventricle's centre.
    """
    middle = []
    sides, rooms = in_pixels(box_mm, spacing_mm), in_pixels(ROOM_MM, spacing_mm)
    for axis, (aim, left, side, room) in enumerate(zip(heart.middle, heart.centre, sides, rooms, strict=True)):
        line = np.flatnonzero(heart.pool.any(axis=1 - axis))
        lowest, highest = line[-1] + 0.5 + room - side / 2, line[0] - 0.5 - room + side / 2
        middle.append(float(np.clip(aim, min(lowest, left), max(highest, left))))
    return square_box((middle[0], middle[1]), spacing_mm, box_mm)


def square_box(centre: tuple[float, float], spacing_mm: tuple[float, float], box_mm: float) -> Box:
    """Return row0, column0, height, width in pixels of a square of `box_mm` around `centre` (a pixel's index)."""
    height, width = (box_mm / step for step in spacing_mm)
    return centre[0] + 0.5 - height / 2, centre[1] + 0.5 - width / 2, height, width


def padded_box(shape: tuple[int, ...], size: int, top: float, left: float, side: float) -> Box:
    """Return the box at a fixed position of the frame, which is padded to a square of at least `size` pixels.

    The authors cut int(0.21 S), int(0.325 S) and int(0.375 S) pixels of a square of S = 210.

    Args:
        shape: rows, columns of the raw frame.
        size: pixels a side of the padded frame, unless the raw one is larger.
        top, left, side: shares of the padded frame.
    """
    padded = max(size, *shape)
    before = [(padded - length) // 2 for length in shape]
    cut = float(max(1, int(side * padded)))
    return float(int(top * padded) - before[0]), float(int(left * padded) - before[1]), cut, cut


def resample_box(frames: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return the box of each frame, resized to (channels, size, size) by linear interpolation; 0 outside the frame.

    The paper pads to `size` with zeros, crops, and resizes. Cropping with zeros around the frame gives the same
    pixels directly, also for frames larger than `size`, of which padding could keep only the middle.

    Args:
        frames: (channels, rows, columns).
        box: row0, column0, height, width in pixels (edges).
        size: pixels a side of the result.
    """
    down = linear_weights(box[0], box[2], size, frames.shape[1])
    across = linear_weights(box[1], box[3], size, frames.shape[2])
    rows, columns = (_used(weights) for weights in (down, across))
    return (down[:, rows] @ frames[:, rows, columns] @ across[:, columns].T).astype(np.float32)


def _used(weights: np.ndarray) -> slice:
    """Return the pixels with nonzero weight."""
    used = np.flatnonzero(weights.any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)


def linear_weights(start: float, length: float, size: int, pixels: int) -> np.ndarray:
    """Return the matrix (size, pixels) that samples a row of pixels at `size` even steps from edge `start` on.

    A sample at position x takes each pixel by 1 - |x - centre| where that is positive; beyond the ends it fades to 0.
    """
    positions = start + (np.arange(size) + 0.5) * (length / size)
    distance = np.abs(positions[:, None] - (np.arange(pixels) + 0.5)[None, :])
    return np.maximum(0, 1 - distance).astype(np.float32)
