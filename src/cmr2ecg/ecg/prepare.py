"""Turn an ECG as read into 12 leads at one rate and length, with its row of the quality table."""

import math
from collections.abc import Mapping
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import resample_poly

from cmr2ecg.ecg.beats import find_beats, heart_rate
from cmr2ecg.ecg.limb_leads import derive, einthoven_error, suspect
from cmr2ecg.ecg.quality import (
    blank_share,
    bridged,
    first_fault,
    flat_leads,
    opposed,
    saturated_share,
    signal_to_noise_db,
)
from cmr2ecg.ecg.recording import LEADS, Ecg
from cmr2ecg.raw.rejection import Rejection

if TYPE_CHECKING:  # `cmr2ecg predict` runs without pydantic
    from cmr2ecg.study.settings.recordings import Quality

MARGIN_S = 1.0  # kept beyond the end for the resampling filter
EINTHOVEN_S = 1.0  # the limb leads are compared second by second
ABSURD_MV = 1e9  # beyond it sums of squares could overflow
MEASURES = (
    *("sampling_rate_hz", "resolution_uv", "samples", "blank_samples", "repairs", "flat_leads", "saturated_leads"),
    *("largest_mv", "einthoven_error", "limb_leads", "snr_db", "beats", "heart_rate_bpm", "poor_quality"),
)


def prepare(ecg: Ecg, *, sampling_rate_hz: int, samples: int, quality: "Quality") -> tuple[np.ndarray, dict[str, Any]]:
    """Check and repair a record; return (12, samples) in mV at `sampling_rate_hz` without NaN, and its MEASURES.

    Absent limb leads are computed from the others, of a longer record the start is kept, blank cells become 0 and are
    ignored in the checks, another rate is resampled by scipy's polyphase filter.

    Args:
        quality: the settings of `clean_ecg.quality`.

    Raises:
        Rejection: a limit is exceeded; it has the measures.
    """
    measures = _as_read(ecg)
    try:
        whole, repairs = repair(ecg, sampling_rate_hz, samples, quality)
        measures["repairs"] = "; ".join(repairs)
        signal, found = measured(whole, ecg, sampling_rate_hz, samples, quality)
        measures |= _in_words(found)
        fault = first_fault(found, quality)
        if fault:
            raise Rejection(*fault)
    except Rejection as error:
        raise Rejection(error.reason, error.detail, measures | error.measures) from error
    return signal, measures


def measured(
    whole: np.ndarray, ecg: Ecg, sampling_rate_hz: int, samples: int, quality: "Quality"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return a repaired record (12, samples) at the common rate without NaN, and its measures for `first_fault`.

    Of the limits the measures depend only on what a flat lead is.

    Args:
        whole: from `repair`.
        ecg: the record as read.
        sampling_rate_hz, samples, quality: see `prepare`.
    """
    signal = resample(np.nan_to_num(whole), ecg.sampling_rate_hz, sampling_rate_hz)[:, :samples]
    # plateaus and constant stretches do not survive resampling
    raw = whole[:, : math.ceil(samples * ecg.sampling_rate_hz / sampling_rate_hz)]
    filled = signal
    if np.isnan(whole).any():
        filled = resample(bridged(whole), ecg.sampling_rate_hz, sampling_rate_hz)[:, :samples]
    return signal, _measure(raw, filled, ecg, sampling_rate_hz, quality)


def resample(signal: np.ndarray, rate_hz: float, new_rate_hz: int) -> np.ndarray:
    """Return `signal` (leads, n) at another sampling rate (scipy's polyphase filter, anti-aliased).

    Raises:
        Rejection: if `rate_hz` is not a whole number.
    """
    if rate_hz == new_rate_hz:
        return signal
    if rate_hz != round(rate_hz):
        raise Rejection("unknown sampling rate", f"{rate_hz:g} Hz")
    common = gcd(round(rate_hz), new_rate_hz)
    return resample_poly(signal, new_rate_hz // common, round(rate_hz) // common, axis=1, padtype="line")


def repair(ecg: Ecg, sampling_rate_hz: int, samples: int, quality: "Quality") -> tuple[np.ndarray, list[str]]:
    """Return the record (12, n) at its own rate, cut to the needed length, NaN where blank, and the repairs."""
    signal, repairs, rate = ecg.signal, [], ecg.sampling_rate_hz
    size = signal.shape[1]
    if size * sampling_rate_hz < samples * rate:
        raise Rejection("record too short", f"{size / rate:.3g} s of {samples / sampling_rate_hz:g} s")
    if size * sampling_rate_hz > samples * rate:
        repairs.append(f"cut from {size / rate:.4g} s")
        signal = signal[:, : math.ceil((samples / sampling_rate_hz + MARGIN_S) * rate)]
    largest = np.abs(signal[~np.isnan(signal)]).max(initial=0.0)
    if largest > ABSURD_MV:
        raise Rejection("implausible amplitude", f"{largest:.3g} mV", {"largest_mv": f"{largest:.3g}"})
    if ecg.missing:
        if len(ecg.missing) > quality.max_missing_limb_leads:
            raise Rejection("missing lead", " ".join(ecg.missing))
        repairs.append(f"{' '.join(ecg.missing)} computed from the other limb leads")
        signal = np.vstack([derive(signal[:6], [LEADS.index(lead) for lead in ecg.missing]), signal[6:]])
    blank = blank_share(signal)
    if blank.max() > quality.max_blank:
        raise Rejection("too many blank samples", f"{blank.max():.0%} of {LEADS[int(blank.argmax())]}")
    if blank.any():
        repairs.append("blank samples set to 0")
    if rate != sampling_rate_hz:
        repairs.append(f"resampled from {rate:g} Hz")
    return signal, repairs


def _as_read(ecg: Ecg) -> dict[str, Any]:
    present = [row for row, lead in enumerate(LEADS) if lead not in ecg.missing]
    return {
        "sampling_rate_hz": f"{ecg.sampling_rate_hz:g}",
        "resolution_uv": f"{ecg.resolution_uv:g}",
        "samples": ecg.signal.shape[1],
        "blank_samples": int(np.isnan(ecg.signal[present]).sum()),
        "poor_quality": "yes" if ecg.poor_quality else "",
    }


def _measure(
    raw: np.ndarray, signal: np.ndarray, ecg: Ecg, sampling_rate_hz: int, quality: "Quality"
) -> dict[str, Any]:
    """Return the measures for `first_fault`.

    Args:
        raw: at the record's own rate, NaN where it is blank.
        signal: at the common rate, without NaN.
    """
    rate, step = ecg.sampling_rate_hz, ecg.resolution_uv / 1000
    flat = flat_leads(raw, rate, flat_uv=quality.flat_uv, max_constant_s=quality.max_constant_s)
    alive = [row for row, lead in enumerate(LEADS) if lead not in flat]
    window, limit = round(EINTHOVEN_S * rate), quality.max_einthoven_error
    error = einthoven_error(raw[:6], window, step)
    beats = find_beats(signal, sampling_rate_hz)
    noise = signal_to_noise_db(signal[alive], sampling_rate_hz, ecg.resolution_uv)
    return {
        "largest_mv": float(np.abs(raw[~np.isnan(raw)]).max(initial=0.0)),
        "flat": flat,
        "saturated": np.where(np.isin(LEADS, flat), 0.0, saturated_share(raw, rate)),
        "einthoven_error": error,
        "suspect": suspect(raw[:6], window, step, limit) if error > limit else "",
        "opposed": opposed(signal),
        "snr_db": float(np.median(noise)) if alive else -math.inf,
        "beats": beats.size,
        "heart_rate": heart_rate(beats, sampling_rate_hz),
        "poor_quality": ecg.poor_quality,
    }


def _in_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measures for the quality table."""
    saturated = [f"{lead} {share:.1%}" for lead, share in zip(LEADS, found["saturated"], strict=True) if share]
    limb = [found["suspect"], "I opposes V6" if found["opposed"] else ""]
    return {
        "largest_mv": f"{found['largest_mv']:.3f}",
        "flat_leads": " ".join(found["flat"]),
        "saturated_leads": " ".join(saturated),
        "einthoven_error": f"{found['einthoven_error']:.4f}",
        "limb_leads": "; ".join(filter(None, limb)),
        "snr_db": f"{found['snr_db']:.1f}",
        "beats": found["beats"],
        "heart_rate_bpm": "" if math.isnan(found["heart_rate"]) else f"{found['heart_rate']:.1f}",
    }
