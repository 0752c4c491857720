"""Draw the beating heart into its surroundings: a short-axis cine as a scanner would store it."""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.simulate.geometry import ANGLES, Motion
from cmr2ecg.simulate.heart import Heart
from cmr2ecg.simulate.torso import BLOOD, FAT, LUNG, MUSCLE, Grid, draw_torso, edge, make_grid

_MYOCARDIUM, _RV_WALL_MM, _BOX_MM = 300.0, 3.0, 90.0
_ROOM_MM = 50.0  # minimum distance of the heart's centre from the edge of the image
_INFARCT = 1.4  # brightness relative to muscle: the signal depends on T2 / T1, which oedema and fat in a scar raise


@dataclass(frozen=True)
class Cine:
    """A rendered stack and the position of the heart in it."""

    volume: np.ndarray  # (slices, frames, rows, columns) uint16, at most 12 bits
    centres: np.ndarray  # (slices, 2) row and column of the left ventricle's centre, pixels
    pixel_spacing_mm: float


def render(
    motion: Motion,
    heart: Heart,
    matrix: int,
    field_of_view_mm: float,
    rng: np.random.Generator,
    only: int | None = None,
    fat_signal: float = FAT,
    shift_mm: float = 15.0,
) -> Cine:
    """Return the cine of a beating heart.

    Args:
        motion: contours in mm.
        heart: scalar fields; body mass index and sex shape the chest.
        matrix: pixels per side.
        field_of_view_mm: millimetres per side.
        rng: draws position, breathing, papillary muscles, coil shading and noise.
        only: draw only this slice, with its own noise; `centres` still has all.
        shift_mm: standard deviation of the heart's position in the image, horizontally and vertically.
        fat_signal: brightness of fat; that around the heart, mixed with other tissue, has half of it.
    """
    grid = make_grid(matrix, field_of_view_mm)
    centres = _centres(len(motion.inner), shift_mm, field_of_view_mm / 2 - _ROOM_MM, rng)
    reach = float(motion.rv.max())
    low = motion.rv[:, 0, ANGLES * 3 // 4 - 8 : ANGLES * 3 // 4 + 8].max()  # border towards the diaphragm
    torso = draw_torso(grid, centres, float(low), heart, rng, fat_signal)
    drawn = range(len(centres)) if only is None else [only]
    volume = np.repeat(torso[drawn][:, None], motion.inner.shape[1], axis=1)
    look = _look(heart, rng, fat_signal)
    for image, index in zip(volume, drawn, strict=True):
        rows, columns = _box(grid, centres[index], min(reach + 12, _BOX_MM))
        patch = Grid(grid.x[:, columns], grid.y[rows], grid.pixel_mm)
        image[:, rows, columns] = _heart(image[:, rows, columns], patch, centres[index], motion, index, look)
    volume *= _shading(grid, rng)
    pixels = (centres[:, ::-1] / grid.pixel_mm + (matrix - 1) / 2).astype(np.float32)
    return Cine(_with_noise(volume, bool(heart.af), rng), pixels, grid.pixel_mm)


@dataclass(frozen=True)
class _Look:
    """Details of one heart's appearance."""

    papillary_angle: np.ndarray  # (2,) radians
    papillary_size: np.ndarray  # (2,) share of the cavity's radius
    epicardial_fat_mm: float
    fat: float
    blood: float
    myocardium: float
    atrium_mm: float
    infarct: float  # 1 if a sector of the middle ring is infarcted
    territory: float  # middle of that sector, radians


def _look(heart: Heart, rng: np.random.Generator, fat_signal: float) -> _Look:
    return _Look(
        np.deg2rad([25.0, 285.0]) + 0.2 * rng.standard_normal(2),
        rng.uniform(0.14, 0.22, 2),
        float(np.clip(2.5 + 0.25 * (heart.bmi - 25) + 0.1 * (heart.age - 64) + rng.standard_normal(), 0.5, 9)),
        fat_signal,
        BLOOD * np.exp(0.05 * rng.standard_normal()),
        _MYOCARDIUM * np.exp(0.06 * rng.standard_normal()),
        float(np.clip(22 + 3 * heart.atrium, 14, 34)),
        float(heart.infarct),
        float(heart.territory),
    )


def _centres(slices: int, shift_mm: float, farthest: float, rng: np.random.Generator) -> np.ndarray:
    """Centre of the heart in each slice, x and y in mm: off-centre, drifting, and shifted by each breath-hold."""
    place = np.clip(np.array([-5.0, -8.0]) + shift_mm * rng.standard_normal(2), -farthest, farthest)
    drift = np.linspace(-1, 1, slices)[:, None] * rng.normal([3.0, 1.0], 2.5)
    breath = rng.normal(0, [0.8, 1.8], (slices, 2))
    return place + drift + breath


def _box(grid: Grid, centre: np.ndarray, half: float) -> tuple[slice, slice]:
    """Rows and columns within `half` mm of the centre."""
    rows = np.flatnonzero(np.abs(grid.y[:, 0] - centre[1]) <= half)
    columns = np.flatnonzero(np.abs(grid.x[0] - centre[0]) <= half)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _heart(image: np.ndarray, grid: Grid, centre: np.ndarray, motion: Motion, index: int, look: _Look) -> np.ndarray:
    """Paint one slice's heart over `image` (frames, rows, columns), from the pericardium inwards."""
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    radius, angle = np.hypot(x, y), np.arctan2(-y, x) % (2 * np.pi)
    atrium = _atrium(image, radius, angle, motion, look, grid.pixel_mm)
    nearest = min(max(index, motion.first), motion.first + motion.count - 1)
    if index > nearest:
        return image  # below the apex
    if index < nearest:
        return atrium
    painted = _ventricles(image, radius, angle, motion, index, look, grid.pixel_mm)
    share = motion.coverage[index].astype(np.float32)[:, None, None]
    return painted if share.min() == 1 else share * painted + (1 - share) * atrium


def _ventricles(
    image: np.ndarray,
    radius: np.ndarray,
    angle: np.ndarray,
    motion: Motion,
    index: int,
    look: _Look,
    pixel: float,
) -> np.ndarray:
    inner, outer, rv = (_sample(c[index], angle) for c in (motion.inner, motion.outer, motion.rv))
    crescent = rv - outer
    wall = rv + _RV_WALL_MM * np.clip(crescent / 4, 0, 1)
    rest = wall.max(0)  # the pericardium hardly moves; fat and lung fill the gap that systole leaves
    image = _paint(image, 0.5 * look.fat, edge(rest + look.epicardial_fat_mm - radius, pixel))
    image = _paint(image, 0.35 * look.fat + 0.65 * LUNG, edge(rest - radius, pixel))
    image = _paint(image, look.myocardium, edge(wall - radius, pixel))
    image = _paint(image, 0.92 * look.blood, edge(rv - radius, pixel))
    image = _paint(image, look.myocardium, edge(outer - radius, pixel))
    if look.infarct:
        image = _paint(
            image, _INFARCT * look.myocardium, _scar(angle, motion, index, look) * edge(outer - radius, pixel)
        )
    image = _paint(image, look.blood, edge(inner - radius, pixel))
    mean = motion.inner[index].mean(-1).astype(np.float32)[:, None, None]
    return _papillaries(image, radius, angle, mean, index, motion, look, pixel)


def _scar(angle: np.ndarray, motion: Motion, index: int, look: _Look) -> np.ndarray:
    """Share of infarct at each pixel's angle: a segment with soft sides, whole in the middle ring."""
    place = (index - motion.first + 0.5) / motion.count * 3 - 0.5  # 0, 1, 2 at the centres of base, middle, apex
    off = np.abs((angle - look.territory + np.pi) % (2 * np.pi) - np.pi)
    depth = min(max(1.5 - abs(place - 1), 0.0), 1.0)
    return depth * np.clip(0.5 + (np.pi / 6 - off) / np.deg2rad(10), 0, 1)


def _papillaries(
    image: np.ndarray,
    radius: np.ndarray,
    angle: np.ndarray,
    mean: np.ndarray,
    index: int,
    motion: Motion,
    look: _Look,
    pixel: float,
) -> np.ndarray:
    """Two muscles in the cavity of the middle slices; they keep their area while the cavity shrinks."""
    height = (index - motion.first + 0.5) / motion.count
    if not 0.25 < height < 0.75:
        return image
    largest = mean.max()
    for where, size in zip(look.papillary_angle, look.papillary_size, strict=True):
        away = 0.72 * mean
        distance = _distance(radius, angle, away, where)
        image = _paint(image, 1.1 * look.myocardium, 0.85 * edge(size * largest - distance, pixel))
    return image


def _atrium(
    image: np.ndarray, radius: np.ndarray, angle: np.ndarray, motion: Motion, look: _Look, pixel: float
) -> np.ndarray:
    """Both atria above the valves: thin walls, filling while the ventricles empty."""
    filled = (1 + 0.15 * motion.activation).astype(np.float32)[:, None, None]
    left = look.atrium_mm * filled
    away, right = np.float32(1.55) * left, np.float32(0.85) * left
    distance = _distance(radius, angle, away, np.deg2rad(195))
    image = _paint(image, 0.5 * look.fat, edge(left.max() + 5 - radius, pixel))
    for space, size in ((distance, right), (radius, left)):
        image = _paint(image, MUSCLE, edge(size + 2.5 - space, pixel))
        image = _paint(image, 0.9 * look.blood, edge(size - space, pixel))
    return image


def _distance(radius: np.ndarray, angle: np.ndarray, away: np.ndarray, where: float) -> np.ndarray:
    """Distance of each pixel to the point `away` mm from the centre at angle `where` (law of cosines)."""
    square = radius**2 + away**2 - 2 * radius * away * np.cos(angle - np.float32(where))
    return np.sqrt(np.maximum(square, 0))  # rounding may leave a tiny negative number


def _paint(image: np.ndarray, value: float, share: np.ndarray) -> np.ndarray:
    """Mix `value` into `image` by each pixel's share."""
    return image + (np.float32(value) - image) * share.astype(np.float32)


def _sample(contour: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Read a contour (frames, angles) at each pixel's angle: (frames, rows, columns) float32."""
    place = angle * (ANGLES / (2 * np.pi)) - 0.5
    left = np.floor(place).astype(int)
    share = (place - left).astype(np.float32)
    values = contour.astype(np.float32)
    return values[:, left % ANGLES] * (1 - share) + values[:, (left + 1) % ANGLES] * share


def _shading(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Sensitivity of the chest coil: brighter towards the front of the chest, at the upper left."""
    fall = rng.uniform(0.0025, 0.005)
    tilt = rng.uniform(0.3, 0.8)
    return (np.exp(0.12 * rng.standard_normal()) * np.exp(-fall * (grid.y + tilt * grid.x))).astype(np.float32)


def _with_noise(volume: np.ndarray, af: bool, rng: np.random.Generator) -> np.ndarray:
    """Return 12-bit counts with Rician noise; an irregular rhythm blurs the gating and adds ghosts."""
    level = np.float32(rng.uniform(16, 30))
    if af:
        volume = 0.6 * volume + 0.2 * np.roll(volume, 1, axis=1) + 0.2 * np.roll(volume, -1, axis=1)
    for stack in volume:
        noise = rng.standard_normal((2, *stack.shape), dtype=np.float32) * level
        np.hypot(stack + noise[0], noise[1], out=stack)
    return np.clip(np.rint(volume), 0, 4095).astype(np.uint16)
