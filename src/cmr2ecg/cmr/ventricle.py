"""The left ventricle in a short-axis cine: the round bright pool with a dark wall, and its area over the beat."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from cmr2ecg.raw.rejection import Rejection

Spacing = tuple[float, float]  # millimetres between rows, between columns


def in_pixels(length_mm: float, spacing_mm: Spacing) -> list[float]:
    """Return a length in rows and in columns."""
    return [length_mm / step for step in spacing_mm]


def bell(shape: tuple[int, ...], spacing_mm: Spacing, centre: np.ndarray, width_mm: float) -> np.ndarray:
    """Return a Gaussian (rows, columns) of height 1 about `centre` (pixels) with standard deviation `width_mm`."""
    down, right = (
        np.exp(-0.5 * ((np.arange(size) - middle) * step / width_mm) ** 2).astype(np.float32)
        for size, middle, step in zip(shape, centre, spacing_mm, strict=True)
    )
    return down[:, None] * right[None, :]


REACH_MM = 100.0  # the heart is within this distance of the centre of motion
POOL_MM2 = (100.0, 7000.0)  # cross-section of the left ventricular blood pool
USUAL_MM2 = 1200.0  # smaller pools are down-weighted: vessels and pockets of the right ventricle are smaller
WALL_MM = 6.0  # the ring around the pool that contains its dark wall
WALL_BRIGHTNESS = 0.75  # of the blood's; myocardium is darker
APART_MM = 45.0  # standard deviation of the ventricle's distance from the centre of all motion
LEVELS = np.linspace(0.25, 0.7, 7)  # brightness thresholds tried between the dark and the bright of the region


def left_ventricle(mean: np.ndarray, motion: np.ndarray, beat: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the mask (rows, columns) of the left ventricular blood pool in the mean frame.

    Among the bright regions near the centre of motion at several thresholds, the best is round, surrounded by
    a dark wall, near the centre and moving at its rim.

    Raises:
        Rejection: if there is no region of a ventricle's size.
    """
    window, pad = _window(mean.shape, beat, spacing_mm)
    pool = np.zeros(mean.shape, bool)
    mean, motion = mean[window], motion[window] / motion.max()
    near = bell(mean.shape, spacing_mm, beat - [part.start for part in window], APART_MM)
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


def pool_area(cine: np.ndarray, pool: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the blood pool's cross-section (frames,) in mm2.

    Each pixel within WALL_MM of `pool` is weighted by its brightness between that of wall and blood, so that
    pixels at the rim count partially and areas change smoothly.
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


def _score(
    region: np.ndarray,
    mean: np.ndarray,
    motion: np.ndarray,
    near: np.ndarray,
    spacing_mm: Spacing,
    at_least: float,
) -> float:
    """Score a region's resemblance to the left ventricle, 0 to 1; 0 also if `at_least` cannot be reached."""
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
    reach = np.array(in_pixels(REACH_MM, spacing_mm))
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
    """Return the opening of a mask by a cross, the same as scipy's binary_opening, but faster."""
    for join in (np.logical_and, np.logical_or):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1].copy()
        for part in (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]):
            join(mask, part, out=mask)
    return mask


def _grow(mask: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= max(WALL_MM, *spacing_mm)


def _core(mask: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """The half of the mask that lies farthest from its rim."""
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    return depth >= np.median(depth[mask])
