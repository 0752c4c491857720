"""Measure an ECG's quality and compare it with the limits of `clean_ecg.quality`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr2ecg.ecg.beats import zero_phase
from cmr2ecg.ecg.recording import LEADS, LIMB_LEADS

if TYPE_CHECKING:  # `cmr2ecg predict` runs without pydantic
    from cmr2ecg.study.settings.recordings import Quality

RUN_S = 0.01  # a cut-off peak stays at the highest value for at least this long
CUT_OFF_MV = 0.3  # and is at least this far from the lead's median
BEATS_HZ, NOISE_HZ = (1.0, 40.0), 40.0
NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute value
ROUNDING = 12**-0.5  # standard deviation of rounding to whole counts, in counts
WINDOW_S = 1.0
OPPOSED = -0.5  # correlation of I and V6, which see the heart from the same side


def blank_share(signal: np.ndarray) -> np.ndarray:
    """Return the share (leads,) of NaN in `signal` (leads, n)."""
    return np.isnan(signal).mean(axis=1)


def bridged(signal: np.ndarray) -> np.ndarray:
    """Return a copy of `signal` (leads, n) with blank samples (NaN) interpolated linearly.

    Only for measurements, so that a blank is neither beat nor noise. A lead without any sample becomes 0.
    """
    signal, place = signal.copy(), np.arange(signal.shape[1])
    for lead in signal:
        blank = np.isnan(lead)
        lead[blank] = np.interp(place[blank], place[~blank], lead[~blank]) if not blank.all() else 0.0
    return signal


def longest_constant(signal: np.ndarray) -> np.ndarray:
    """Return the length (leads,) in samples of the longest stretch of `signal` (leads, n) without any change.

    Blank samples (NaN) are skipped: the samples before and after them count as neighbours.
    """
    known = [lead[~np.isnan(lead)] for lead in signal]
    return np.array([_runs(lead[1:] == lead[:-1]).max(initial=0) + 1 for lead in known])


def flat_leads(signal: np.ndarray, rate_hz: float, *, flat_uv: float, max_constant_s: float) -> list[str]:
    """Return the names of the flat leads of `signal` (12, n) in mV.

    Those with a standard deviation below `flat_uv`, and those that stay at one value for longer than
    `max_constant_s`, as when an electrode comes off. Blank samples (NaN) are ignored.
    """
    spread = [lead[~np.isnan(lead)].std() if not np.isnan(lead).all() else 0.0 for lead in signal]
    flat = np.array(spread) * 1000 < flat_uv
    flat |= longest_constant(signal) > max_constant_s * rate_hz
    return [lead for lead, is_flat in zip(LEADS, flat, strict=True) if is_flat]


def saturated_share(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the share (leads,) of samples of `signal` (leads, n) in mV that are cut off at a fixed value.

    They belong to stretches of at least 10 ms at the lead's highest or lowest value, 0.3 mV or more from its median.
    Blank samples (NaN) are ignored.
    """
    least = max(3, round(RUN_S * rate_hz))
    known = [lead[~np.isnan(lead)] for lead in signal]
    return np.array([_cut_off(lead, least) / lead.size if lead.size else 0.0 for lead in known])


def signal_to_noise_db(signal: np.ndarray, rate_hz: float, resolution_uv: float) -> np.ndarray:
    """Return the signal-to-noise ratio (leads,) of `signal` (leads, n) in mV.

    Power from 1 to 40 Hz (beats, without wander) over that of the noise above 40 Hz. The noise is taken from the
    median of absolute values, which short steep QRS complexes hardly affect, and is at least the rounding of the
    ADC. White noise alone has -7 dB at 500 Hz.
    """
    centred = signal - signal.mean(axis=1, keepdims=True)
    beats = zero_phase(centred, 2, BEATS_HZ, "bandpass", rate_hz).var(axis=1)
    high = zero_phase(centred, 4, NOISE_HZ, "highpass", rate_hz)
    noise = np.maximum(NORMAL * np.median(np.abs(high), axis=1), resolution_uv / 1000 * ROUNDING)
    return 10 * np.log10(np.maximum(beats, 1e-12) / noise**2)


def opposed(signal: np.ndarray) -> bool:
    """Return whether leads I and V6 of `signal` (12, n) point in opposite directions.

    Swapped arm electrodes cause this, but so do dextrocardia and a marked right axis: a hint, not a rejection.
    """
    first, last = signal[LEADS.index("I")], signal[LEADS.index("V6")]
    first, last = first - first.mean(), last - last.mean()
    size = np.sqrt((first @ first) * (last @ last))
    return bool(size > 0 and first @ last / size < OPPOSED)


def first_fault(found: Mapping[str, Any], limits: "Quality") -> tuple[str, str] | None:
    """Return reason and detail of the first limit that is exceeded, or None.

    Args:
        found: largest_mv, flat (names), saturated (12,), einthoven_error, suspect, snr_db, beats, poor_quality.
        limits: the settings of `clean_ecg.quality`.
    """
    worst = int(np.argmax(found["saturated"]))
    chest = [lead for lead in found["flat"] if lead not in LIMB_LEADS]
    faults = (
        (found["largest_mv"] > limits.max_mv, "implausible amplitude", f"{found['largest_mv']:.1f} mV"),
        (
            len(chest) < len(found["flat"]) or len(chest) > limits.max_flat_chest_leads,
            "flat lead",
            " ".join(found["flat"]),
        ),
        (
            found["saturated"][worst] > limits.max_saturated,
            "saturated lead",
            f"{found['saturated'][worst]:.1%} of {LEADS[worst]}",
        ),
        (
            found["einthoven_error"] > limits.max_einthoven_error,
            "limb leads contradict each other",
            found["suspect"] or f"error {found['einthoven_error']:.2g}",
        ),
        (found["snr_db"] < limits.minimum_snr_db, "too noisy", f"{found['snr_db']:.1f} dB"),
        (found["beats"] < limits.minimum_beats, "no heartbeat found", f"{found['beats']} beats"),
        (found["poor_quality"] and limits.reject_poor_quality, "poor data quality by the device", ""),
    )
    return next(((reason, detail) for broken, reason, detail in faults if broken), None)


def _runs(at: np.ndarray) -> np.ndarray:
    """Return the lengths of the stretches of True in `at` (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]])))
    return edges[1::2] - edges[::2]


def _cut_off(lead: np.ndarray, least: int) -> int:
    middle, count = np.median(lead), 0
    for extreme in (lead.min(), lead.max()):
        if abs(extreme - middle) >= CUT_OFF_MV:
            runs = _runs(lead == extreme)
            count += int(runs[runs >= least].sum())
    return count
