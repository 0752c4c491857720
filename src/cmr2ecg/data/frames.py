"""Choose the frames of the beat that become the image's channels (paper §IV-A)."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

SMOOTH_BEAT = 0.02  # standard deviation of the smoothing over time, as a share of the beat


PHASES = ("es", "ed", "mid")


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
