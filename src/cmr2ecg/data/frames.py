"""Choose the frames of the beat that become the image's channels (paper §IV-A)."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

SMOOTH_BEAT = 0.02  # standard deviation of the smoothing over time, as a share of the beat


def pick_frames(area: np.ndarray) -> tuple[int, int, int]:
    """Return the indices of end-systole, end-diastole and mid-phase, the paper's order of the channels.

    End-systole has the smallest, end-diastole the largest blood pool over the beat; the beat is cyclic, so that an
    end-diastole at the very end of the cine is found too. Mid-phase lies midway from end-diastole forward to
    end-systole (Hager et al. take half the index of end-systole, which is the same where frame 0 is end-diastole).

    Args:
        area: (frames,) cross-section of the left ventricular blood pool.
    """
    smooth = gaussian_filter1d(np.asarray(area, np.float64), SMOOTH_BEAT * len(area), mode="wrap")
    systole, diastole = int(smooth.argmin()), int(smooth.argmax())
    contraction = (systole - diastole) % len(area)
    return systole, diastole, (diastole + contraction // 2) % len(area)
