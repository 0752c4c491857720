"""Filters without delay, designed once for all records."""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfiltfilt


def zero_phase(
    signal: np.ndarray, order: int, band_hz: float | tuple[float, float], kind: str, rate_hz: float
) -> np.ndarray:
    """Return `signal` (leads, n) after a Butterworth filter that runs forwards and backwards.

    Args:
        order: of one run; a band pass has twice as many poles.
        band_hz: the cut-off frequency, or both of a band pass.
        kind: highpass, lowpass, bandpass.
        rate_hz: samples a second.
    """
    return sosfiltfilt(_design(order, band_hz, kind, rate_hz), signal, axis=1)


@lru_cache(maxsize=32)
def _design(order: int, band_hz: float | tuple[float, float], kind: str, rate_hz: float) -> np.ndarray:
    return butter(order, band_hz, kind, fs=rate_hz, output="sos")
