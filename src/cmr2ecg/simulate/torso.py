"""The static surroundings of the heart in a short-axis slice: chest wall, fat, lungs, liver, stomach, aorta, spine."""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.simulate.heart import Heart

# Signal of a balanced steady-state cine, in arbitrary units
FAT, MUSCLE, LUNG, LIVER, BLOOD, BONE, AIR = 820.0, 290.0, 70.0, 400.0, 980.0, 420.0, 15.0


@dataclass(frozen=True)
class Grid:
    """Pixel centres of an image in mm from the image's centre."""

    x: np.ndarray  # (1, columns), to the right of the image
    y: np.ndarray  # (rows, 1), downwards
    pixel_mm: float


def make_grid(matrix: int, field_of_view_mm: float) -> Grid:
    """Return the grid of a square image."""
    pixel = field_of_view_mm / matrix
    place = ((np.arange(matrix) - (matrix - 1) / 2) * pixel).astype(np.float32)
    return Grid(place[None, :], place[:, None], pixel)


def edge(distance: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Share of a pixel inside a border `distance` mm away (positive inside): a ramp one pixel wide."""
    return np.clip(distance / pixel_mm + 0.5, 0, 1)


def texture(grid: Grid, rng: np.random.Generator, scale_mm: float, waves: int = 8) -> np.ndarray:
    """A smooth random field of standard deviation 1 with structures of about `scale_mm`."""
    field = np.zeros((grid.y.shape[0], grid.x.shape[1]), dtype=np.float32)
    for _ in range(waves):
        angle, length, phase = (
            rng.uniform(0, 2 * np.pi),
            scale_mm * rng.uniform(1.0, 2.5),
            rng.uniform(0, 6.3),
        )
        along = (np.cos(angle) * grid.x + np.sin(angle) * grid.y) * (2 * np.pi / length)
        field += np.sin(along + phase, dtype=np.float32)
    return field * np.float32(np.sqrt(2 / waves))


def draw_torso(
    grid: Grid,
    centres: np.ndarray,
    heart_radius: float,
    heart: Heart,
    rng: np.random.Generator,
    fat_signal: float = FAT,
) -> np.ndarray:
    """Return (slices, rows, columns) float32 of everything but the heart.

    Args:
        grid: pixel positions.
        centres: (slices, 2) x and y of the heart's centre in each slice, mm.
        heart_radius: largest distance of the heart's border from its centre, mm.
        heart: scalar fields; body mass index sets the fat under the skin, sex the chest, age the aorta's width.
        rng: draws shapes and textures.
        fat_signal: brightness of the fat under the skin.
    """
    p = grid.pixel_mm
    fat = float(np.clip(9 + 1.5 * (float(heart.bmi) - 22) + 2 * rng.standard_normal(), 4, 45))
    chest = np.array([128 + 10 * float(heart.male), 100 + 7 * float(heart.male)]) * np.exp(
        0.04 * rng.standard_normal(2)
    )
    shift = np.array([36.0, 28.0]) + 5 * rng.standard_normal(2)
    liver_texture, fat_texture = texture(grid, rng, 14), texture(grid, rng, 22)
    lung_texture = texture(grid, rng, 18)
    dome = heart_radius + rng.uniform(2, 9)
    stomach = np.array([rng.uniform(25, 60), rng.uniform(62, 80)])
    gas = rng.random() < 0.5
    aorta = np.array([61, 36, 10.5]) + np.array([3, 3, 0.8]) * rng.standard_normal(3)
    aorta[2] += 0.12 * (float(heart.age) - 64)
    middle = centres.mean(0)
    images = []
    for centre in centres:
        x, y = grid.x - middle[0] - shift[0], grid.y - middle[1] - shift[1]
        inside = _ellipse(x, y, *chest)
        image = AIR + (fat_signal + 60 * fat_texture - AIR) * edge(_ellipse(x, y, *(chest + 14 + fat)), p)
        image = image + (MUSCLE + 25 * fat_texture - image) * edge(_ellipse(x, y, *(chest + 14)), p)
        image = image + (LUNG + 18 * lung_texture - image) * edge(inside, p)
        # The diaphragm moves with the breath-hold of each slice, and with it the liver and the stomach below.
        u, v = grid.x - centre[0], grid.y - centre[1]
        below = edge(v - dome - 0.0016 * (u + 25) ** 2 + 6, p) * edge(inside, p)
        image = image + (LIVER + 35 * liver_texture - image) * below
        belly = edge(_ellipse(u - stomach[0], v - stomach[1] - 8, 34, 22), p) * below
        image = image + ((AIR + 40 if gas else 620 + 60 * liver_texture) - image) * belly
        image = image + (BLOOD * 0.95 - image) * edge(
            _ellipse(u - aorta[0], v - aorta[1], aorta[2], aorta[2]), p
        ) * edge(inside, p)
        image = image + (BONE - image) * edge(_ellipse(u - 104, v - 62, 24, 20), p) * edge(inside + 14, p)
        images.append(image)
    return np.stack(images).astype(np.float32)


def _ellipse(x: np.ndarray, y: np.ndarray, a: float, b: float) -> np.ndarray:
    """Approximate distance in mm to an ellipse with half-axes a, b around the origin, positive inside."""
    return (1 - np.sqrt((x / a) ** 2 + (y / b) ** 2)) * min(a, b)
