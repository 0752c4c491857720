"""Clean a 12-lead ECG (paper §IV-A): outliers, baseline wander, amplitude.

The constants the paper leaves open are those of the authors' code, see config/paper.yaml.
"""

from functools import lru_cache
from math import gcd

import numpy as np
from pybaselines import Baseline
from scipy.signal import resample_poly

from cmr2ecg.ukb.cardiosoft import LEADS, Ecg
from cmr2ecg.ukb.rejection import Rejection

LEAD_GROUPS = (slice(0, 3), slice(3, 6), slice(6, 12))  # Einthoven, Goldberger, Wilson
EPS = 1e-12  # in the square root of the z-score; authors
LIMB_LEADS = 6  # the first six, all made of the same three electrodes
# Two of the twenty public records the project is tried on have no V2, V4 and V6. A record like that still shows the
# heart; the QC table names its flat leads. One without a limb lead has lost an electrode the other leads rest on.
MAX_FLAT_CHEST_LEADS = 3
MAX_BLANK = 0.1  # a record with a larger share of blank cells in one lead is rejected


def prepare(ecg: Ecg, sampling_rate_hz: int, samples: int) -> np.ndarray:
    """Check a record and return (12, samples) in mV at `sampling_rate_hz`, without NaN.

    Blank cells become 0. Another rate is resampled by scipy's polyphase filter; a longer record keeps its start.

    Raises:
        Rejection: too short, too many blank cells, a flat limb lead, or more than MAX_FLAT_CHEST_LEADS flat chest
            leads.
    """
    blank = np.isnan(ecg.signal).mean(axis=1)
    if blank.max() > MAX_BLANK:
        raise Rejection("too many blank samples", f"{blank.max():.0%} of one lead")
    signal = np.nan_to_num(ecg.signal)
    if ecg.sampling_rate_hz != sampling_rate_hz:
        signal = resample(signal, ecg.sampling_rate_hz, sampling_rate_hz)
    if signal.shape[1] < samples:
        raise Rejection("record too short", f"{signal.shape[1]} of {samples} samples")
    signal = signal[:, :samples]
    flat = flat_leads(signal, ecg.resolution_uv)
    if set(flat) & set(LEADS[:LIMB_LEADS]) or len(flat) > MAX_FLAT_CHEST_LEADS:
        raise Rejection("flat lead", " ".join(flat))
    return signal


def flat_leads(signal: np.ndarray, resolution_uv: float) -> list[str]:
    """Return the names of the leads of `signal` (12, n) in mV whose standard deviation is below one ADC count."""
    flat = signal.std(axis=1) * 1000 < resolution_uv
    return [lead for lead, is_flat in zip(LEADS, flat, strict=True) if is_flat]


def resample(signal: np.ndarray, rate_hz: float, new_rate_hz: float) -> np.ndarray:
    """Return `signal` (leads, n) at another sampling rate (scipy's polyphase filter, anti-aliased).

    Raises:
        Rejection: if `rate_hz` is not a whole number.
    """
    if rate_hz != round(rate_hz):
        raise Rejection("unknown sampling rate", f"{rate_hz:g} Hz")
    old, new = round(rate_hz), round(new_rate_hz)
    common = gcd(old, new)
    return resample_poly(signal, new // common, old // common, axis=1, padtype="line")


def clean_ecg(signal: np.ndarray, *, clip_std: float, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return a cleaned copy of `signal` (12, n), float64, unit variance per lead group.

    NaN -> 0; clamp; subtract each lead's baseline; z-score jointly over the leads and samples of the Einthoven
    (I-III), Goldberger (aVR-aVF) and Wilson (V1-V6) groups (paper §IV-A and reference [41]).

    Args:
        clip_std: clamp to this many standard deviations, taken over the whole record, about 0.
        lam, p, iterations: see `baseline`.
    """
    signal = np.nan_to_num(np.asarray(signal, np.float64))
    limit = clip_std * signal.std()
    signal = np.clip(signal, -limit, limit)
    signal = np.stack([lead - baseline(lead, lam=lam, p=p, iterations=iterations) for lead in signal])
    for group in LEAD_GROUPS:
        part = signal[group]
        signal[group] = (part - part.mean()) / np.sqrt(part.var() + EPS)
    return signal


def baseline(lead: np.ndarray, *, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return the baseline wander of one lead (n,) by asymmetric least squares.

    Eilers and Boelens 2005 (paper §IV-A): a Whittaker smoother of penalty `lam` on second differences in which
    samples above the current baseline weigh `p` and those below 1 - p; `iterations` solves, the first with
    equal weights. pybaselines solves the banded system, one solve more than its `max_iter`, and never stops early
    at tolerance 0.
    """
    fitter = _fitter(lead.size)
    return fitter.asls(lead, lam=lam, p=p, max_iter=iterations - 1, tol=0)[0]


@lru_cache(maxsize=4)
def _fitter(size: int) -> Baseline:
    return Baseline(np.arange(size, dtype=np.float64), check_finite=False, assume_sorted=True)
