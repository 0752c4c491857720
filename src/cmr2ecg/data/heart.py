"""Find the beating heart and its left ventricle in a short-axis cine (paper §IV-A: crop around the visible heart).

No trained model is used. What beats at the heart rate stands out in the first temporal harmonic; the left ventricle
is the round bright pool near it with a dark wall all around; its area over time tells end-diastole and end-systole. The
centre of all that beats lies between the ventricles: the middle of both is most of the way from the left one to it, and
beyond it where it is far.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cmr2ecg.data.millimetres import Spacing, bell, in_pixels
from cmr2ecg.data.ventricle import REACH_MM, left_ventricle, pool_area
from cmr2ecg.ukb.rejection import Rejection

SMOOTH_MM = 1.5  # in-plane smoothing against noise
COIL_MM = 40.0  # the receiver coil's brightness changes over this distance
MOTION_MM = 20.0  # motion is gathered over about the radius of a heart
CENTRE_MM = 90.0  # standard deviation of a mild prior: the scanner is centred near the heart
TOWARDS_BEAT = (0.75, 1.25)  # how far the middle of both ventricles lies on the way from the left one to all motion
WAY_MM = (20.0, 30.0)  # lengths of that way with these shares; between them the share grows evenly
COARSE_MM = 6.0  # pixels are joined up to this size where only wide smoothing follows


@dataclass(frozen=True)
class Heart:
    """Where the heart is.

    centre: row, column of the middle of the left ventricular blood pool, in pixels.
    middle: row, column of the middle of both ventricles, in pixels.
    pool: (rows, columns) bool, the left ventricular blood pool in the mean frame.
    area: (frames,) cross-section of the left ventricular blood pool over the beat, mm2.
    phases: frames of end-systole and end-diastole where a segmentation says so, else None.
    """

    centre: tuple[float, float]
    middle: tuple[float, float]
    pool: np.ndarray
    area: np.ndarray
    phases: tuple[int, int] | None = None


def find_heart(cine: np.ndarray, spacing_mm: Spacing) -> Heart:
    """Locate the heart and measure its left ventricle.

    Args:
        cine: (frames, rows, columns) float32 brightness over one beat.
        spacing_mm: millimetres between rows, between columns.

    Raises:
        Rejection: if nothing moves or no left ventricle is found.
    """
    mean, motion = summarise(cine, spacing_mm)
    beat = motion_centre(motion, spacing_mm)
    pool = left_ventricle(mean, motion, beat, spacing_mm)
    centre = np.array(ndimage.center_of_mass(pool))
    middle = middle_of_both(centre, beat, spacing_mm)
    return Heart(tuple(centre.tolist()), tuple(middle.tolist()), pool, pool_area(cine, pool, spacing_mm))


def middle_of_both(centre: np.ndarray, beat: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return row, column (2,) of the middle of both ventricles, in pixels.

    Bright, still fat around a wide right ventricle draws the centre of motion to the left one, so that the middle lies
    beyond it.

    Args:
        centre, beat: (2,) the middle of the left ventricle and of all motion, in pixels.
        spacing_mm: millimetres between rows, between columns.
    """
    way_mm = float(np.hypot(*((beat - centre) * spacing_mm)))
    return centre + np.interp(way_mm, WAY_MM, TOWARDS_BEAT) * (beat - centre)


def summarise(cine: np.ndarray, spacing_mm: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean frame and the first harmonic's amplitude, each (rows, columns), smoothed.

    Both are divided by the local brightness, since tissue near the receiver coil would outshine the heart.

    Raises:
        Rejection: if nothing moves.
    """
    waves = harmonic_waves(len(cine))
    flat = cine.reshape(len(cine), -1)
    parts = (waves.astype(cine.dtype) @ flat).reshape(3, *cine.shape[1:])
    # Smoothing three images equals smoothing every frame first, since both operations are linear.
    mean, cosine, sine = ndimage.gaussian_filter(parts, [0, *in_pixels(SMOOTH_MM, spacing_mm)], truncate=3)
    local = _local_brightness(mean, spacing_mm)
    motion = np.hypot(cosine, sine)
    if not motion.max() > 1e-6 * abs(mean).max():
        raise Rejection("no motion in the cine")
    return mean / local, motion / local


def harmonic_waves(frames: int) -> np.ndarray:
    """Return weights (3, frames) that give the mean and the first harmonic's cosine and sine amplitudes."""
    phase = 2 * np.pi * np.arange(frames) / frames
    return np.stack([np.ones(frames), 2 * np.cos(phase), 2 * np.sin(phase)]) / frames


def motion_centre(motion: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return row, column (2,) of the centre of beating motion.

    The start is the strongest spot after smoothing over a heart's radius; a mean shift then moves it to the centroid of
    the motion around it. Motion is clipped, since a few vessels beat harder than the heart.
    """
    bins = _bins(motion.shape, spacing_mm)
    motion, spacing_mm = _binned(motion, bins), tuple(np.multiply(spacing_mm, bins).tolist())
    still, strong = np.quantile(motion, [0.6, 0.98])
    motion = np.clip(motion - still, 0, max(strong - still, np.finfo(motion.dtype).tiny))
    middle = [(size - 1) / 2 for size in motion.shape]
    gathered = ndimage.gaussian_filter(motion, in_pixels(MOTION_MM, spacing_mm), mode="constant", truncate=2)
    gathered *= bell(motion.shape, spacing_mm, middle, CENTRE_MM)
    centre = np.array(np.unravel_index(gathered.argmax(), gathered.shape), float)
    rows, columns = (np.arange(size) for size in motion.shape)
    for _ in range(10):
        near = motion * bell(motion.shape, spacing_mm, centre, REACH_MM / 2)
        total = max(float(near.sum()), np.finfo(np.float32).tiny)
        centre = np.array([near.sum(axis=1) @ rows, near.sum(axis=0) @ columns]) / total
    return (centre + 0.5) * bins - 0.5


def _local_brightness(mean: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the mean frame smoothed over COIL_MM, at least a fifth of its average."""
    bins = _bins(mean.shape, spacing_mm)
    coarse = _binned(mean, bins)
    down, across = (
        _blur(size, count, step, width)
        for size, count, step, width in zip(mean.shape, coarse.shape, bins, in_pixels(COIL_MM, spacing_mm), strict=True)
    )
    local = down @ coarse @ across.T
    return np.maximum(local, 0.2 * local.mean())


def _blur(size: int, count: int, step: int, width: float) -> np.ndarray:
    """Return weights (size, count) of a Gaussian blur from `count` bins of `step` pixels to `size` pixels."""
    bins = (np.arange(count) + 0.5) * step - 0.5
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - bins) / width) ** 2)
    return (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-30)).astype(np.float32)


def _bins(shape: tuple[int, ...], spacing_mm: Spacing) -> list[int]:
    """Return how many pixels to join in each direction: up to COARSE_MM, and 16 bins at least."""
    return [max(1, min(int(COARSE_MM / step), size // 16)) for size, step in zip(shape, spacing_mm, strict=True)]


def _binned(image: np.ndarray, bins: list[int]) -> np.ndarray:
    """Return the means of blocks of pixels; what does not fill a block at the end is left out."""
    rows, columns = (size // step for size, step in zip(image.shape, bins, strict=True))
    cut = image[: rows * bins[0], : columns * bins[1]]
    return cut.reshape(rows, bins[0], columns, bins[1]).mean(axis=(1, 3))
