"""Find the heartbeats of a 12-lead ECG, for the quality table, with filters designed once for all records."""

from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt


def zero_phase(
    signal: np.ndarray, order: int, band_hz: float | tuple[float, float], kind: str, rate_hz: float
) -> np.ndarray:
    """Return `signal` (leads, n) after a Butterworth filter that runs forwards and backwards.

    Args:
        order: of one run; a band pass has twice as many poles.
        band_hz: the cut-off frequency, or both of a band pass.
        kind: highpass, lowpass, bandpass.
        rate_hz: samples per second.
    """
    return sosfiltfilt(_design(order, band_hz, kind, rate_hz), signal, axis=1)


@lru_cache(maxsize=32)
def _design(order: int, band_hz: float | tuple[float, float], kind: str, rate_hz: float) -> np.ndarray:
    return butter(order, band_hz, kind, fs=rate_hz, output="sos")


BAND_HZ = (8.0, 20.0)  # most of a QRS complex, little of P and T waves and of muscle noise
WINDOW_S = 0.1  # length of a QRS complex
REFRACTORY_S = 0.25  # no two beats are closer; 240 per minute
HEIGHT = 0.4  # of a usual beat's
USUAL = 0.75  # quantile of the maxima over each second: above the median, for seconds without a beat


def find_beats(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the samples (beats,) at which the QRS complexes of `signal` (leads, n) have their energy.

    The root mean square of each lead in the QRS band over 0.1 s, scaled by the lead's own beats; the median over the
    leads, so that an artefact in a few leads is not a beat; then the peaks.
    """
    power = zero_phase(signal - signal.mean(axis=1, keepdims=True), 2, BAND_HZ, "bandpass", rate_hz) ** 2
    width = max(1, round(WINDOW_S * rate_hz))
    envelope = np.sqrt(np.maximum(uniform_filter1d(power, width, axis=1), 0))
    scale = _usual_height(envelope, rate_hz)
    moving = scale > 1e-6  # mV; a flat lead has no beats
    if not moving.any():
        return np.zeros(0, int)
    energy = np.median(envelope[moving] / scale[moving, None], axis=0)
    least = HEIGHT * _usual_height(energy[None], rate_hz)[0]
    return find_peaks(energy, height=least, distance=max(1, round(REFRACTORY_S * rate_hz)))[0]


def heart_rate(beats: np.ndarray, rate_hz: float) -> float:
    """Return beats per minute, between the first and the last of `beats` (samples); NaN for fewer than two."""
    if beats.size < 2:
        return float("nan")
    return float(60 * rate_hz * (beats.size - 1) / (beats[-1] - beats[0]))


def _usual_height(envelope: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the height (leads,) of a usual beat in `envelope` (leads, n)."""
    second = min(envelope.shape[1], round(rate_hz))
    whole = envelope.shape[1] // second * second
    maxima = envelope[:, :whole].reshape(len(envelope), -1, second).max(axis=2)
    return np.quantile(maxima, USUAL, axis=1)
