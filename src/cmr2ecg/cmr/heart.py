"""Find the beating heart and its left ventricle in a short-axis cine (paper §IV-A: crop around the visible heart).

No trained model is used. Motion at the heart rate shows in the first temporal harmonic; the left ventricle
is the round bright pool near it, surrounded by a dark wall; its area over time gives end-diastole and end-systole. The
centre of all motion lies between the ventricles: the middle of both is most of the way from the left one to it, or
beyond it if it is far away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.ndimage import gaussian_filter1d

from cmr2ecg.cmr.ventricle import REACH_MM, Spacing, bell, in_pixels, left_ventricle, pool_area
from cmr2ecg.raw.rejection import Rejection

SMOOTH_BEAT = 0.02  # standard deviation of the smoothing over time, as a share of the beat
MAX_PHASE_ERROR = 0.1  # share of the beat by which a phase's frame may be off if frames are missing
PHASES = ("es", "ed", "mid")
NAMES = {"es": "end-systole", "ed": "end-diastole", "mid": "mid-phase"}


def pick_frames(area: np.ndarray) -> tuple[int, int]:
    """Return the indices of end-systole and end-diastole.

    End-systole has the smallest, end-diastole the largest blood pool over the beat; the beat is cyclic, so that an
    end-diastole at the very end of the cine is found too.

    Args:
        area: (frames,) cross-section of the left ventricular blood pool.
    """
    smooth = gaussian_filter1d(np.asarray(area, np.float64), SMOOTH_BEAT * len(area), mode="wrap")
    return int(smooth.argmin()), int(smooth.argmax())


def order_frames(
    systole: int, diastole: int, frames: int, mid_phase: str = "halfway", channels: Sequence[str] = PHASES
) -> tuple[int, int, int]:
    """Return the frame of each channel.

    Args:
        systole, diastole: indices of the two.
        frames: length of the beat.
        mid_phase: `halfway` from end-diastole forward to end-systole, or `half_systole`, half the index of end-systole
            (Hager et al.); they agree where frame 0 is end-diastole.
        channels: order of `es`, `ed` and `mid`.
    """
    contraction = (systole - diastole) % frames
    middle = {"halfway": (diastole + contraction // 2) % frames, "half_systole": systole // 2}
    chosen = {"es": systole, "ed": diastole, "mid": middle[mid_phase]}
    first, second, third = (chosen[name] for name in channels)
    return first, second, third


def phases_that_may_be_missing(chosen: Sequence[int], channels: Sequence[str], taken: Sequence[int]) -> list[str]:
    """Return a note for each channel whose frame is in or next to a gap in the beat, where the phase may be.

    Args:
        chosen: frame of each channel.
        channels: their phases.
        taken: position in the beat at which each frame was taken, see `Cine`; () if none is missing.

    Raises:
        Rejection: the middle of the gap is farther than MAX_PHASE_ERROR of the beat from any frame.
    """
    notes = []
    for phase, frame in zip(channels, chosen, strict=True):
        hole = _hole(frame, taken, beside=phase != "mid") if taken else 0
        if (hole + 1) / 2 > MAX_PHASE_ERROR * len(taken) and hole > 1:
            raise Rejection(f"no {NAMES[phase]} in the cine", f"{hole} frames are missing there")
        if hole:
            notes.append(f"{NAMES[phase]} may be missing")
    return notes


def _hole(frame: int, taken: Sequence[int], beside: bool) -> int:
    """Return the length of the run of missing frames that contains `frame`, or is `beside` it."""
    beat = len(taken)

    def length(step: int) -> int:
        return next(count for count in range(beat) if taken[at := (frame + (count + 1) * step) % beat] == at)

    if taken[frame] != frame:
        return 1 + length(-1) + length(1)
    return max(length(-1), length(1)) if beside else 0


SMOOTH_MM = 1.5  # in-plane smoothing against noise
COIL_MM = 40.0  # the receiver coil's brightness changes over this distance
MOTION_MM = 20.0  # motion is averaged over about the radius of a heart
CENTRE_MM = 90.0  # standard deviation of a mild prior: the scanner is centred near the heart
TOWARDS_BEAT = (0.75, 1.25)  # position of the middle of both ventricles on the line from the left one to all motion
WAY_MM = (20.0, 30.0)  # lengths of that line for these shares, with linear interpolation in between
COARSE_MM = 6.0  # pixels are binned up to this size before wide smoothing


@dataclass(frozen=True)
class Heart:
    """Position and phases of the heart.

    centre: row, column of the centre of the left ventricular blood pool, in pixels.
    middle: row, column of the middle of both ventricles, in pixels.
    pool: (rows, columns) bool, the left ventricular blood pool in the mean frame.
    area: (frames,) cross-section of the left ventricular blood pool over the beat, mm2.
    phases: frames of end-systole and end-diastole from a segmentation, else None.
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

    Bright, still fat around a wide right ventricle shifts the centre of motion towards the left one, so that the middle
    lies beyond it.

    Args:
        centre, beat: (2,) the middle of the left ventricle and of all motion, in pixels.
        spacing_mm: millimetres between rows, between columns.
    """
    way_mm = float(np.hypot(*((beat - centre) * spacing_mm)))
    return centre + np.interp(way_mm, WAY_MM, TOWARDS_BEAT) * (beat - centre)


def summarise(cine: np.ndarray, spacing_mm: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean frame and the first harmonic's amplitude, each (rows, columns), smoothed.

    Both are divided by the local brightness, since tissue near the receiver coil would be brighter than the heart.

    Raises:
        Rejection: if nothing moves.
    """
    waves = harmonic_waves(len(cine))
    flat = cine.reshape(len(cine), -1)
    parts = (waves.astype(cine.dtype) @ flat).reshape(3, *cine.shape[1:])
    # Smoothing three images is equivalent to smoothing every frame first, since both operations are linear.
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
    the motion around it. Motion is clipped, since some vessels pulsate more strongly than the heart.
    """
    bins = _bins(motion.shape, spacing_mm)
    motion, spacing_mm = _binned(motion, bins), tuple(np.multiply(spacing_mm, bins).tolist())
    still, strong = np.quantile(motion, [0.6, 0.98])
    motion = np.clip(motion - still, 0, max(strong - still, np.finfo(motion.dtype).tiny))
    middle = (np.array(motion.shape) - 1) / 2
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
    """Return the number of pixels to bin in each direction: up to COARSE_MM, with at least 16 bins."""
    return [max(1, min(int(COARSE_MM / step), size // 16)) for size, step in zip(shape, spacing_mm, strict=True)]


def _binned(image: np.ndarray, bins: list[int]) -> np.ndarray:
    """Return the means of blocks of pixels; an incomplete block at the end is dropped."""
    rows, columns = (size // step for size, step in zip(image.shape, bins, strict=True))
    cut = image[: rows * bins[0], : columns * bins[1]]
    return cut.reshape(rows, bins[0], columns, bins[1]).mean(axis=(1, 3))
