"""The beating short-axis geometry of one heart: contours by slice, frame and angle, and their measurements.

Contours are polar around the left ventricle's centre. All volumes are sums of contour areas times slice spacing, as
in segmentation software, so that the simulated heart and the phenotypes agree.
"""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.simulate.heart import Heart

ANGLES = 120  # divides the six- and four-segment rings of the AHA model without a remainder
SPACING_MM = 10.0  # distance of slice centres: 8 mm thick, 2 mm gap
DENSITY = 1.05  # g/mL
THETA = (np.arange(ANGLES) + 0.5) * 2 * np.pi / ANGLES  # counter-clockwise in the image, 0 towards the lateral wall
_STEP = 2 * np.pi / ANGLES
_RINGS = (6, 6, 4)  # segments of base, middle and apex
_FIRST = np.deg2rad((90.0, 90.0, 90.0))  # centre of segments 1, 7, 13: anterior
# Wall thickness and shortening of the 16 AHA segments in a healthy heart, relative to their mean
_THICKNESS = np.array([0.98, 1.12, 1.12, 1.02, 0.93, 0.93, 0.95, 1.05, 1.10, 1.0, 0.93, 0.93, 0.9, 1.0, 0.92, 0.9])
_SHORTENING = np.array([1.0, 0.9, 0.88, 0.98, 1.04, 1.02, 1.02, 0.95, 0.95, 1.0, 1.04, 1.04, 1.08, 1.05, 1.06, 1.08])


@dataclass(frozen=True)
class Motion:
    """Contours of one beat in mm, (slices, frames, angles) float64; zeros in a slice without left ventricle."""

    inner: np.ndarray  # left ventricular cavity
    outer: np.ndarray  # epicardium
    rv: np.ndarray  # outer border of the right ventricular cavity; equals `outer` outside the crescent
    coverage: np.ndarray  # (slices, frames) share of the slice's thickness that is ventricle and not atrium
    first: int  # first slice with left ventricle
    count: int  # number of slices with left ventricle
    es_frame: int
    activation: np.ndarray  # (frames,) 0 at end-diastole, 1 at end-systole


def move(heart: Heart, slices: int, frames: int, rng: np.random.Generator) -> Motion:
    """Return the contours of a beat whose volumes, mass and ejection fractions are those of `heart`.

    Args:
        heart: scalar fields.
        slices: slices of the stack, base first.
        frames: frames of a beat, frame 0 at end-diastole.
        rng: draws segment detail beyond the latents, and the time of end-systole.
    """
    first, count = _extent(float(heart.lv_length), slices)
    es_frame, activation = _activation(frames, float(heart.rate), bool(heart.af), rng)
    thickness, shortening = _segment_patterns(heart, rng)
    inner_ed = _cavity(count, float(heart.lvedv), rng)
    wall = _on_grid(thickness, count)
    wall = wall * _wall_scale(inner_ed, wall, float(heart.lvm))
    descent = 1.25 * float(heart.lvef) / 0.6  # the base descends by about 12 mm, in slices
    coverage = np.clip(np.arange(1, count + 1)[:, None] - descent * activation, 0, 1)
    inner = _contract(inner_ed, _on_grid(shortening, count), coverage, activation, heart)
    stretch = 1 + (count / (count - descent) - 1) * activation  # the shorter wall is thicker
    ring = (inner_ed + wall) ** 2 - inner_ed**2
    outer = np.sqrt(inner**2 + ring[:, None] * stretch[None, :, None])
    rv = _right_ventricle(outer, coverage, activation, heart)
    inner, outer, rv, coverage = (_place(x, first, slices) for x in (inner, outer, rv, coverage))
    return Motion(inner, outer, rv, coverage, first, count, es_frame, activation)


def chamber_volumes(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return the volumes of left and right ventricle in mL, each (frames,)."""
    left = np.einsum("st,st->t", _area(motion.inner), motion.coverage)
    right = np.einsum("st,st->t", _area(motion.rv) - _area(motion.outer), motion.coverage)
    return left * SPACING_MM / 1000, right * SPACING_MM / 1000


def myocardial_mass(motion: Motion) -> float:
    """Return the mass of the left ventricle at end-diastole in g."""
    ring = _area(motion.outer[:, 0]) - _area(motion.inner[:, 0])
    return float(ring.sum()) * SPACING_MM / 1000 * DENSITY


def segment_values(motion: Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the 16 segments' end-diastolic thickness (mm), circumferential and radial strain (%).

    Strains are those of the mid-wall circle and of the thickness at end-systole.
    """
    thickness, circumferential, radial = [], [], []
    for level, segments in enumerate(_RINGS):
        rows = motion.first + np.flatnonzero(_levels(motion.count) == level)
        for segment in range(segments):
            pick = np.ix_(rows, np.array([0, motion.es_frame]), np.flatnonzero(_sector(level) == segment))
            inner, outer = motion.inner[pick], motion.outer[pick]
            wall, middle = (outer - inner).mean((0, 2)), (outer + inner).mean((0, 2)) / 2
            thickness.append(wall[0])
            circumferential.append(100 * (middle[1] / middle[0] - 1))
            radial.append(100 * (wall[1] / wall[0] - 1))
    return np.array(thickness), np.array(circumferential), np.array(radial)


def _area(radius: np.ndarray) -> np.ndarray:
    """Area inside a polar contour, mm2; the last axis is the angle."""
    return 0.5 * _STEP * (radius**2).sum(-1)


def _extent(length: float, slices: int) -> tuple[int, int]:
    """First slice and number of slices with left ventricle; a slice of atrium is above it if there is room."""
    count = min(round(length / SPACING_MM), slices)
    return min(1, slices - count), count


def _activation(frames: int, rate: float, af: bool, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """Contraction over the beat: systole, early filling, rest, and the atrial kick, which fibrillation lacks."""
    share = np.clip(0.36 + 0.002 * (rate - 63) + 0.012 * rng.standard_normal(), 0.3, 0.46)
    es = int(np.clip(round(share * frames), 1, frames - 2))
    t = np.arange(frames) / frames
    end = es / frames
    rise = np.sin(np.pi / 2 * np.minimum(t / end, 1)) ** 2
    after = np.clip((t - end) / (1 - end), 0, 1)
    early = 1 / (1 + np.exp(-(after - 0.28) / 0.07))
    kick = 1 / (1 + np.exp(-(after - 0.86) / 0.04))
    kick_share = 0.05 if af else 0.28
    filled = (1 - kick_share) * early + kick_share * kick
    low, high = filled[after == 0].max(initial=0.0), 1.0
    fall = 1 - np.clip((filled - low) / (high - low), 0, 1)
    return es, np.where(t <= end, rise, np.minimum(fall, 0.995))


def _segment_patterns(heart: Heart, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Relative thickness and shortening of the 16 segments: health, septum, apex, a damaged territory, chance.

    An infarct is narrower than ischaemia, fades towards base and apex, and leaves a thin wall that does not move.
    """
    centres = np.concatenate([_FIRST[k] + np.arange(n) * 2 * np.pi / n for k, n in enumerate(_RINGS)])
    level = np.repeat([-1.0, 0.0, 1.2], _RINGS)
    near = np.cos(centres - heart.territory) - 1
    damage = heart.ischaemia * np.exp(2.0 * near)
    infarct = heart.infarct * np.exp(4.0 * near) * np.where(level == 0, 1.0, 0.7)
    septal = np.maximum(np.cos(centres - np.pi), 0)
    thick = _THICKNESS * np.exp(0.09 * heart.septum * septal + 0.05 * heart.apex_wall * level)
    thick = thick * (1 - 0.2 * np.minimum(damage, 1.5)) * (1 - 0.3 * infarct) * np.exp(0.06 * rng.standard_normal(16))
    short = _SHORTENING * np.exp(0.05 * heart.apex_motion * level) * (1 - 0.65 * np.minimum(damage, 1.4))
    short = short * (1 - infarct)
    return thick, short * np.exp(0.07 * rng.standard_normal(16))


def _levels(count: int) -> np.ndarray:
    """Level (0 base, 1 middle, 2 apex) of each left ventricular slice, thirds rounded up from the base."""
    index = np.arange(count)
    return (index >= np.ceil(count / 3)).astype(int) + (index >= np.ceil(2 * count / 3))


def _sector(level: int) -> np.ndarray:
    """Segment (0-based in its ring) of each angle; the first is anterior, then by way of the septum."""
    width = 2 * np.pi / _RINGS[level]
    return (np.floor((THETA - _FIRST[level]) / width + 0.5) % _RINGS[level]).astype(int)


def _on_grid(segments: np.ndarray, count: int) -> np.ndarray:
    """Spread 16 segment values over (count, angles), smooth around each ring and from ring to ring."""
    rings, start = [], 0
    for level, n in enumerate(_RINGS):
        around = np.append(_FIRST[level] + np.arange(n) * 2 * np.pi / n, _FIRST[level] + 2 * np.pi)
        values = np.append(segments[start : start + n], segments[start])
        rings.append(np.interp((THETA - _FIRST[level]) % (2 * np.pi), around - _FIRST[level], values))
        start += n
    place = (np.arange(count) + 0.5) / count * 3 - 0.5  # 0, 1, 2 at the centres of base, middle, apex
    weight = np.clip(1 - np.abs(np.clip(place, 0, 2)[:, None] - np.arange(3)), 0, 1)
    return weight @ np.array(rings)


def _cavity(count: int, volume: float, rng: np.random.Generator) -> np.ndarray:
    """End-diastolic cavity (count, angles): a half ellipsoid, widest below the base, slightly oval."""
    height = (np.arange(count) + 0.5) / count
    radius = np.sqrt(1 - np.clip((height - 0.22) / 0.80, -0.5, 1) ** 2)
    oval = 1 + 0.03 * rng.standard_normal() * np.cos(2 * (THETA - rng.uniform(0, np.pi)))
    shape = radius[:, None] * oval
    return shape * np.sqrt(volume * 1000 / (_area(shape).sum() * SPACING_MM))


def _wall_scale(inner: np.ndarray, wall: np.ndarray, mass: float) -> float:
    """Factor on `wall` that gives the mass: the positive root of a quadratic in the factor."""
    target = mass / DENSITY * 1000 / (SPACING_MM * _STEP)  # sum of (inner * f w + (f w)^2 / 2)
    a, b = 0.5 * (wall**2).sum(), (inner * wall).sum()
    return float((-b + np.sqrt(b * b + 4 * a * target)) / (2 * a))


def _contract(
    inner: np.ndarray, pattern: np.ndarray, coverage: np.ndarray, activation: np.ndarray, heart: Heart
) -> np.ndarray:
    """Cavity over the beat (count, frames, angles), scaled so that the smallest volume is (1 - EF) EDV."""
    share = coverage.min(1)[:, None]  # at end-systole
    a = (share * inner**2 * pattern**2).sum()
    b = (share * inner**2 * pattern).sum()
    c = (share * inner**2).sum() - (1 - float(heart.lvef)) * (inner**2).sum()
    scale = (b - np.sqrt(max(b * b - a * c, 0.0))) / a
    return inner[:, None] * (1 - scale * activation[None, :, None] * pattern[:, None])


def _right_ventricle(outer: np.ndarray, coverage: np.ndarray, activation: np.ndarray, heart: Heart) -> np.ndarray:
    """Outer border of the right ventricle, a crescent on the septum, with the given volume in every frame."""
    count = len(outer)
    height = (np.arange(count) + 0.5) / count
    reach = np.sqrt(np.clip(1 - height**2, 0.02, 1)) * (1 - 0.25 * height)
    width = np.deg2rad(100) * (1 - 0.3 * height)
    off = np.angle(np.exp(1j * (THETA - np.deg2rad(190))))
    shape = np.cos(np.pi / 2 * np.clip(off / width[:, None], -1, 1)) ** 0.8 * reach[:, None]
    volume = float(heart.rvedv) * (1 - float(heart.rvef) * activation)
    target = volume * 1000 / (SPACING_MM * _STEP)
    a = 0.5 * np.einsum("st,sa->t", coverage, shape**2)
    b = np.einsum("st,sta,sa->t", coverage, outer, shape)
    depth = (-b + np.sqrt(b * b + 4 * a * target)) / (2 * a)
    return outer + depth[None, :, None] * shape[:, None]


def _place(values: np.ndarray, first: int, slices: int) -> np.ndarray:
    """Put the ventricle's slices into the stack."""
    stack = np.zeros((slices, *values.shape[1:]))
    stack[first : first + len(values)] = values
    return stack
