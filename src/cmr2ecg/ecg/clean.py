"""Clean a 12-lead ECG (paper §IV-A): outliers, baseline wander, amplitude.

Baseline wander is estimated by pybaselines' Whittaker smoothers. The constants not given in the paper are those of the
authors' code, see config/paper.yaml.
"""

import warnings
from functools import partial

import numpy as np

LEAD_GROUPS = (slice(0, 3), slice(3, 6), slice(6, 12))  # Einthoven, Goldberger, Wilson
EPS = 1e-12  # in the square root of the z-score; authors
SETTLED = 1e-15  # relative change of the weights of asls below which no sample has changed sides


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
    signal = signal - baseline(signal, method=method, lam=lam, p=p, iterations=iterations)
    for group in LEAD_GROUPS:
        part = signal[group]
        signal[group] = (part - part.mean()) / np.sqrt(part.var() + EPS)
    return signal


def baseline(signal: np.ndarray, *, method: str, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return the baseline wander of one lead (n,) or of each of several (leads, n), in the same shape.

    Both methods solve a Whittaker smoother with penalty `lam` on second differences `iterations` times, first
    with equal weights.

    asls: asymmetric least squares, Eilers and Boelens 2005 (paper §IV-A). Samples above the current baseline weigh
        `p`, those below 1 - p.
    airpls: adaptive iteratively reweighted penalised least squares, Zhang et al. 2010, Analyst 135:1138 (reference
        [40] of the paper). Samples above have no weight and those below the more the farther away they are, so that
        the baseline settles at the lower edge of the signal; it stops early once almost nothing is below.
    """
    from pybaselines import Baseline  # here, for `cmr2ecg` itself should start without it
    from pybaselines.utils import ParameterWarning

    leads = np.atleast_2d(np.asarray(signal, np.float64))
    fitter = Baseline(np.arange(leads.shape[1], dtype=np.float64), check_finite=False, assume_sorted=True)
    smooth = fitter.airpls if method == "airpls" else partial(fitter.asls, p=p, tol=SETTLED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # airpls: "almost all points are below": an end, no fault
        # It solves once more than max_iter.
        return np.stack([smooth(lead, lam=lam, max_iter=iterations - 1)[0] for lead in leads]).reshape(np.shape(signal))
