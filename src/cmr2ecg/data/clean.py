"""Clean a 12-lead ECG (paper §IV-A): outliers, baseline wander, amplitude.

The constants the paper leaves open are those of the authors' code, see config/paper.yaml.
"""

import warnings
from functools import lru_cache

import numpy as np
from pybaselines import Baseline
from pybaselines.utils import ParameterWarning

LEAD_GROUPS = (slice(0, 3), slice(3, 6), slice(6, 12))  # Einthoven, Goldberger, Wilson
EPS = 1e-12  # in the square root of the z-score; authors


def clean_ecg(signal: np.ndarray, *, clip_std: float, method: str, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return a cleaned copy of `signal` (12, n), float64, unit variance per lead group.

    NaN -> 0; clamp; subtract each lead's baseline; z-score jointly over the leads and samples of the Einthoven
    (I-III), Goldberger (aVR-aVF) and Wilson (V1-V6) groups (paper §IV-A and reference [41]).

    Args:
        clip_std: clamp to this many standard deviations, taken over the whole record, about 0.
        method, lam, p, iterations: see `baseline`.
    """
    signal = np.nan_to_num(np.asarray(signal, np.float64))
    limit = clip_std * signal.std()
    signal = np.clip(signal, -limit, limit)
    options = {"method": method, "lam": lam, "p": p, "iterations": iterations}
    signal = np.stack([lead - baseline(lead, **options) for lead in signal])
    for group in LEAD_GROUPS:
        part = signal[group]
        signal[group] = (part - part.mean()) / np.sqrt(part.var() + EPS)
    return signal


def baseline(lead: np.ndarray, *, method: str, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return the baseline wander of one lead (n,), a Whittaker smoother of penalty `lam` on second differences.

    Both methods solve it `iterations` times, the first time with equal weights; pybaselines solves the banded
    system, one solve more than its `max_iter`.

    asls: asymmetric least squares, Eilers and Boelens 2005 (paper §IV-A). Samples above the current baseline weigh
        `p`, those below 1 - p.
    airpls: adaptive iteratively reweighted penalised least squares, Zhang et al. 2010, Analyst 135:1138 (reference
        [40] of the paper). Samples above weigh nothing and those below the more the farther away they are, so that
        the baseline sinks to the lower edge of the signal; it stops early once almost nothing lies below.
    """
    fitter = _fitter(lead.size)
    if method == "asls":
        return fitter.asls(lead, lam=lam, p=p, max_iter=iterations - 1, tol=0)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # "almost all points are below the data": an end, no fault
        return fitter.airpls(lead, lam=lam, max_iter=iterations - 1)[0]


@lru_cache(maxsize=4)
def _fitter(size: int) -> Baseline:
    return Baseline(np.arange(size, dtype=np.float64), check_finite=False, assume_sorted=True)
