"""Find the beating heart and its left ventricle in a short-axis cine (paper §IV-A: crop around the visible heart).

No trained model is used. What beats at the heart rate stands out in the first temporal harmonic; the left ventricle
is the round bright pool near it with a dark wall all around; its area over time tells end-diastole and end-systole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cmr2ecg.ukb.rejection import Rejection

Spacing = tuple[float, float]  # millimetres between rows, between columns

SMOOTH_MM = 1.5  # in-plane smoothing against noise
COIL_MM = 40.0  # the receiver coil's brightness changes over this distance
MOTION_MM = 20.0  # motion is gathered over about the radius of a heart
CENTRE_MM = 90.0  # standard deviation of a mild prior: the scanner is centred near the heart
REACH_MM = 100.0  # the heart lies within this distance of the centre of motion
POOL_MM2 = (100.0, 7000.0)  # cross-section of the left ventricular blood pool
USUAL_MM2 = 1200.0  # smaller pools count less: vessels and the right ventricle's pockets are smaller
WALL_MM = 6.0  # the ring around the pool in which its dark wall lies
WALL_BRIGHTNESS = 0.75  # of the blood's; myocardium is darker
APART_MM = 45.0  # standard deviation of the ventricle's distance from the centre of all motion
COARSE_MM = 6.0  # pixels are joined up to this size where only wide smoothing follows
LEVELS = np.linspace(0.25, 0.7, 7)  # brightness thresholds tried between the dark and the bright of the region


@dataclass(frozen=True)
class Heart:
    """Where the heart is.

    centre: row, column of the middle of the left ventricular blood pool, in pixels.
    pool: (rows, columns) bool, the left ventricular blood pool in the mean frame.
    area: (frames,) cross-section of the left ventricular blood pool over the beat, mm2.
    phases: frames of end-systole and end-diastole where a segmentation says so, else None.
    """

    centre: tuple[float, float]
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
    row, column = ndimage.center_of_mass(pool)
    return Heart((float(row), float(column)), pool, pool_area(cine, pool, spacing_mm))


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
    mean, cosine, sine = ndimage.gaussian_filter(parts, [0, *_pixels(SMOOTH_MM, spacing_mm)], truncate=3)
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
    gathered = ndimage.gaussian_filter(motion, _pixels(MOTION_MM, spacing_mm), mode="constant", truncate=2)
    gathered *= _bell(motion.shape, spacing_mm, middle, CENTRE_MM)
    centre = np.array(np.unravel_index(gathered.argmax(), gathered.shape), float)
    rows, columns = (np.arange(size) for size in motion.shape)
    for _ in range(10):
        near = motion * _bell(motion.shape, spacing_mm, centre, REACH_MM / 2)
        total = max(float(near.sum()), np.finfo(np.float32).tiny)
        centre = np.array([near.sum(axis=1) @ rows, near.sum(axis=0) @ columns]) / total
    return (centre + 0.5) * bins - 0.5


def left_ventricle(mean: np.ndarray, motion: np.ndarray, beat: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the mask (rows, columns) of the left ventricular blood pool in the mean frame.

    Among the bright regions near the centre of motion at several thresholds, the best is round, has a dark wall all
    around, lies near the centre and moves at its rim.

    Raises:
        Rejection: if there is no region of a ventricle's size.
    """
    window, pad = _window(mean.shape, beat, spacing_mm)
    pool = np.zeros(mean.shape, bool)
    mean, motion = mean[window], motion[window] / motion.max()
    near = _bell(mean.shape, spacing_mm, beat - [part.start for part in window], APART_MM)
    best, best_score = None, 0.0
    found = [(float(near[place].max()), place, region) for place, region in _bright_regions(mean, pad, spacing_mm)]
    for most, place, region in sorted(found, key=lambda part: -part[0]):
        if most <= best_score:  # the other factors are at most 1
            break
        region = ndimage.binary_fill_holes(region)
        score = _score(region, mean[place], motion[place], near[place], spacing_mm, best_score)
        if score > best_score:
            best, best_score = (place, region), score
    if best is None:
        raise Rejection("no left ventricle found")
    pool[window][best[0]] = best[1]
    return pool


def _bright_regions(
    mean: np.ndarray, pad: int, spacing_mm: Spacing
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield window (with a margin of `pad` pixels) and mask of each connected bright region at several thresholds."""
    pixel = float(np.prod(spacing_mm))
    smallest, largest = max(9, POOL_MM2[0] / 2 / pixel), POOL_MM2[1] / pixel  # holes are filled later
    dark, bright = np.quantile(mean, [0.1, 0.95])
    for level in dark + LEVELS * (bright - dark):
        labels, _ = ndimage.label(_opened(mean > level))
        sizes = np.bincount(labels.ravel())
        for index, place in enumerate(ndimage.find_objects(labels), start=1):
            if smallest <= sizes[index] <= largest:
                place = tuple(slice(max(0, part.start - pad), part.stop + pad) for part in place)
                yield place, labels[place] == index


def pool_area(cine: np.ndarray, pool: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the blood pool's cross-section (frames,) in mm2.

    Each pixel within WALL_MM of `pool` counts by how far its brightness lies between that of wall and blood, so that
    pixels at the rim count in part and areas change smoothly.
    """
    rows, columns = (np.flatnonzero(pool.any(axis=axis)) for axis in (1, 0))
    pad = _pad(spacing_mm)
    place = tuple(slice(max(0, int(line[0]) - pad), int(line[-1]) + 1 + pad) for line in (rows, columns))
    cine, pool = cine[:, *place], pool[place]
    around = _grow(pool, spacing_mm)
    blood = np.median(cine[:, _core(pool, spacing_mm)])
    wall = np.quantile(cine[:, around & ~pool], 0.1)
    share = np.clip((cine[:, around] - wall) / max(blood - wall, np.finfo(np.float32).tiny), 0, 1)
    return share.sum(axis=1, dtype=np.float64) * float(np.prod(spacing_mm))


def _score(
    region: np.ndarray,
    mean: np.ndarray,
    motion: np.ndarray,
    near: np.ndarray,
    spacing_mm: Spacing,
    at_least: float,
) -> float:
    """Rate how far a region looks like the left ventricle, 0 to 1; 0 also if `at_least` cannot be reached."""
    area = np.count_nonzero(region) * float(np.prod(spacing_mm))
    if not POOL_MM2[0] <= area <= POOL_MM2[1]:
        return 0.0
    small, large = _axes(region, spacing_mm)
    filled = area / (4 * np.pi * np.sqrt(max(small * large, 1e-9)))  # 1 for a disc or an ellipse
    roundness = min(filled, 1.0) ** 2 * max(small, 0.0) / max(large, 1e-9)
    size = np.sqrt(min(area / USUAL_MM2, 1.0))
    form = float(roundness * size * near[region].mean())
    if form <= at_least:  # the other factors are at most 1
        return 0.0
    ring = _grow(region, spacing_mm) & ~region
    walled = (mean[ring] < WALL_BRIGHTNESS * np.median(mean[region])).mean()
    return form * float(walled**2 * np.sqrt(motion[ring].mean()))


def _window(shape: tuple[int, ...], beat: np.ndarray, spacing_mm: Spacing) -> tuple[tuple[slice, ...], int]:
    """Return the part of the frame within REACH_MM of the centre of motion, and a wall's width in pixels."""
    reach = np.array(_pixels(REACH_MM, spacing_mm))
    first = np.maximum(np.floor(beat - reach), 0).astype(int)
    last = np.minimum(np.ceil(beat + reach) + 1, shape).astype(int)
    return tuple(map(slice, first.tolist(), last.tolist())), _pad(spacing_mm)


def _pad(spacing_mm: Spacing) -> int:
    """Return a wall's width in pixels, at least one pixel more."""
    return int(np.ceil(WALL_MM / min(spacing_mm))) + 1


def _axes(region: np.ndarray, spacing_mm: Spacing) -> tuple[float, float]:
    """Return the variance of a region's points along its short and its long axis, mm2."""
    share = region / np.count_nonzero(region)
    down, right = ((np.arange(size) * step) for size, step in zip(region.shape, spacing_mm, strict=True))
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    down, right = down - rows @ down, right - columns @ right
    a, b, c = rows @ down**2, columns @ right**2, down @ share @ right
    middle, half = (a + b) / 2, np.hypot((a - b) / 2, c)
    return float(middle - half), float(middle + half)


def _opened(mask: np.ndarray) -> np.ndarray:
    """Return the opening of a mask by a cross, the same as scipy's binary_opening, which takes longer."""
    for join in (np.logical_and, np.logical_or):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1].copy()
        for part in (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]):
            join(mask, part, out=mask)
    return mask


def _local_brightness(mean: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the mean frame smoothed over COIL_MM, at least a fifth of its average."""
    bins = _bins(mean.shape, spacing_mm)
    coarse = _binned(mean, bins)
    down, across = (
        _blur(size, count, step, width)
        for size, count, step, width in zip(mean.shape, coarse.shape, bins, _pixels(COIL_MM, spacing_mm), strict=True)
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


def _grow(mask: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= max(WALL_MM, *spacing_mm)


def _core(mask: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """The half of the mask that lies farthest from its rim."""
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    return depth >= np.median(depth[mask])


def _bell(shape: tuple[int, ...], spacing_mm: Spacing, centre: np.ndarray, width_mm: float) -> np.ndarray:
    """Return a Gaussian (rows, columns) of height 1 about `centre` (pixels) with standard deviation `width_mm`."""
    down, right = (
        np.exp(-0.5 * ((np.arange(size) - middle) * step / width_mm) ** 2).astype(np.float32)
        for size, middle, step in zip(shape, centre, spacing_mm, strict=True)
    )
    return down[:, None] * right[None, :]


def _pixels(length_mm: float, spacing_mm: Spacing) -> list[float]:
    return [length_mm / step for step in spacing_mm]
