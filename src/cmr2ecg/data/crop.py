"""Cut the heart out of a short-axis cine: three frames, a square box, values in [0, 1] (paper §IV-A)."""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.data.frames import pick_frames
from cmr2ecg.data.heart import find_heart
from cmr2ecg.ukb.short_axis import Cine


@dataclass(frozen=True)
class HeartImage:
    """The image of one subject.

    pixels: (3, size, size) float32 in [0, 1]; channels end-systole, end-diastole, mid-phase.
    box: row0, column0, height, width in pixels of the raw frame (edges, not centres; may lie partly outside).
    frames: index in time of each channel.
    centre: row, column of the left ventricle's middle in pixels of the raw frame; the box lies around it.
    areas_mm2: the left ventricle's blood pool at end-systole and end-diastole.
    """

    pixels: np.ndarray
    box: tuple[float, float, float, float]
    frames: tuple[int, int, int]
    centre: tuple[float, float]
    areas_mm2: tuple[float, float]


def crop_heart(cine: Cine, *, size: int, box_mm: float) -> HeartImage:
    """Find the heart in a cine and return its image.

    Args:
        cine: the middle slice over one beat.
        size: pixels a side of the result.
        box_mm: side of the square around the heart.

    Raises:
        Rejection: if there is no beating heart to be found.
    """
    values = cine.pixels.astype(np.float32)
    heart = find_heart(values, cine.spacing_mm)
    chosen = pick_frames(heart.area)
    box = square_box(heart.centre, cine.spacing_mm, box_mm)
    return HeartImage(
        pixels=resample_box(min_max(values[list(chosen)]), box, size),
        box=box,
        frames=chosen,
        centre=heart.centre,
        areas_mm2=(float(heart.area[chosen[0]]), float(heart.area[chosen[1]])),
    )


def min_max(frames: np.ndarray) -> np.ndarray:
    """Scale `frames` to [0, 1] by the smallest and largest value of them all, so that channels stay comparable."""
    low, high = float(frames.min()), float(frames.max())
    return (frames - low) / max(high - low, np.finfo(np.float32).tiny)


def square_box(
    centre: tuple[float, float], spacing_mm: tuple[float, float], box_mm: float
) -> tuple[float, float, float, float]:
    """Return row0, column0, height, width in pixels of a square of `box_mm` around `centre` (a pixel's index)."""
    height, width = (box_mm / step for step in spacing_mm)
    return centre[0] + 0.5 - height / 2, centre[1] + 0.5 - width / 2, height, width


def resample_box(frames: np.ndarray, box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """Return the box of each frame, resized to (channels, size, size) by linear interpolation; 0 outside the frame.

    The paper pads to `size` with zeros, crops, and resizes. Cropping with zeros around the frame gives the same
    pixels without the detour, also for frames larger than `size`, of which padding could keep only the middle.

    Args:
        frames: (channels, rows, columns).
        box: row0, column0, height, width in pixels (edges).
        size: pixels a side of the result.
    """
    down = linear_weights(box[0], box[2], size, frames.shape[1])
    across = linear_weights(box[1], box[3], size, frames.shape[2])
    return (down @ frames @ across.T).astype(np.float32)


def linear_weights(start: float, length: float, size: int, pixels: int) -> np.ndarray:
    """Return the matrix (size, pixels) that samples a row of pixels at `size` even steps from edge `start` on.

    A sample at position x takes each pixel by 1 - |x - centre| where that is positive; beyond the ends it fades to 0.
    """
    positions = start + (np.arange(size) + 0.5) * (length / size)
    distance = np.abs(positions[:, None] - (np.arange(pixels) + 0.5)[None, :])
    return np.maximum(0, 1 - distance).astype(np.float32)
