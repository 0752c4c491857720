"""Choose the frames of the beat that become the image's channels (paper §IV-A)."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cmr2ecg.ukb.rejection import Rejection

SMOOTH_BEAT = 0.02  # standard deviation of the smoothing over time, as a share of the beat
MOST_OFF = 0.1  # share of the beat by which the frame of a phase may be off where frames are missing
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
    """Return a note for each channel whose frame lies in or beside a hole in the beat, where the phase may be.

    Args:
        chosen: frame of each channel.
        channels: their phases.
        taken: where each frame of the beat was taken, see `Cine`; () if none is missing.

    Raises:
        Rejection: the middle of the hole is farther than MOST_OFF of the beat from any frame.
    """
    notes = []
    for phase, frame in zip(channels, chosen, strict=True):
        hole = _hole(frame, taken, beside=phase != "mid") if taken else 0
        if (hole + 1) / 2 > MOST_OFF * len(taken) and hole > 1:
            raise Rejection(f"no {NAMES[phase]} in the cine", f"{hole} frames are missing there")
        if hole:
            notes.append(f"{NAMES[phase]} may be missing")
    return notes


def _hole(frame: int, taken: Sequence[int], beside: bool) -> int:
    """Return the length of the row of missing frames that holds `frame`, or lies `beside` it."""
    beat = len(taken)

    def length(step: int) -> int:
        return next(count for count in range(beat) if taken[at := (frame + (count + 1) * step) % beat] == at)

    if taken[frame] != frame:
        return 1 + length(-1) + length(1)
    return max(length(-1), length(1)) if beside else 0
