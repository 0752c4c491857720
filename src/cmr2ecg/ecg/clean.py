"""Clean a 12-lead ECG (paper §IV-A): outliers, baseline wander, amplitude.

Baseline wander is found by a Whittaker smoother on LAPACK's banded solvers. The constants the paper leaves open are
those of the authors' code, see config/paper.yaml.
"""

import warnings
from functools import lru_cache

import numpy as np
from scipy.linalg.lapack import dpbsv, dpbtrf, dpbtrs

SECOND = np.array([1.0, -2.0, 1.0])


def asymmetric_smooth(leads: np.ndarray, *, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return the asymmetric least squares curve (leads, n) of `leads` (leads, n), Eilers and Boelens 2005.

    It is solved `iterations` times: first with equal weights, where all leads share one factorisation, then with the
    weight `p` for samples above the last curve and 1 - p for the others, until no sample changes sides.

    Raises:
        ValueError: if `p` does not lie between 0 and 1 or a lead has fewer than three samples.
    """
    if not 0 < p < 1:
        raise ValueError(f"p is {p}, not between 0 and 1")
    curves = _equally_weighted(leads, lam)
    penalty = second_difference_penalty(leads.shape[1], lam)
    for lead, curve in zip(leads, curves, strict=True):
        above = None
        for _ in range(iterations - 1):
            above, before = lead > curve, above
            if before is not None and np.array_equal(above, before):
                break  # the same weights give the same curve
            curve[:] = _solve(penalty, np.where(above, p, 1 - p), lead)
    return curves


@lru_cache(maxsize=4)
def second_difference_penalty(size: int, lam: float) -> np.ndarray:
    """Return lam D'D for second differences D of `size` samples, (3, size) in LAPACK's lower banded form."""
    if size < len(SECOND):
        raise ValueError(f"{size} samples have no second difference")
    bands = np.zeros((3, size), order="F")
    for below in range(3):
        for first in range(3 - below):
            bands[below, first : size - 2 + first] += SECOND[first] * SECOND[first + below]
    bands *= lam
    bands.flags.writeable = False
    return bands


def _solve(penalty: np.ndarray, weights: np.ndarray, lead: np.ndarray) -> np.ndarray:
    bands = penalty.copy(order="F")
    bands[0] += weights
    _, curve, fault = dpbsv(bands, weights * lead, lower=1, overwrite_ab=1, overwrite_b=1)
    return _checked(curve, fault)


@lru_cache(maxsize=4)
def _factor_of_equal_weights(size: int, lam: float) -> np.ndarray:
    bands = second_difference_penalty(size, lam).copy(order="F")
    bands[0] += 1
    return _checked(*dpbtrf(bands, lower=1, overwrite_ab=1))


def _equally_weighted(leads: np.ndarray, lam: float) -> np.ndarray:
    factor = _factor_of_equal_weights(leads.shape[1], lam)
    return np.ascontiguousarray(_checked(*dpbtrs(factor, leads.T, lower=1)).T)


def _checked(solution: np.ndarray, fault: int) -> np.ndarray:
    if fault:
        raise np.linalg.LinAlgError(f"the smoother's system cannot be solved (LAPACK says {fault})")
    return solution


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
    signal = signal - baseline(signal, method=method, lam=lam, p=p, iterations=iterations)
    for group in LEAD_GROUPS:
        part = signal[group]
        signal[group] = (part - part.mean()) / np.sqrt(part.var() + EPS)
    return signal


def baseline(signal: np.ndarray, *, method: str, lam: float, p: float, iterations: int) -> np.ndarray:
    """Return the baseline wander of one lead (n,) or of each of several (leads, n), in the same shape.

    Both methods solve a Whittaker smoother of penalty `lam` on second differences `iterations` times, the first time
    with equal weights.

    asls: asymmetric least squares, Eilers and Boelens 2005 (paper §IV-A). Samples above the current baseline weigh
        `p`, those below 1 - p.
    airpls: adaptive iteratively reweighted penalised least squares, Zhang et al. 2010, Analyst 135:1138 (reference
        [40] of the paper). Samples above weigh nothing and those below the more the farther away they are, so that
        the baseline sinks to the lower edge of the signal; it stops early once almost nothing lies below.
    """
    leads = np.atleast_2d(np.asarray(signal, np.float64))
    if method == "asls":
        found = asymmetric_smooth(leads, lam=lam, p=p, iterations=iterations)
    else:
        found = np.stack([_airpls(lead, lam, iterations) for lead in leads])
    return found.reshape(np.shape(signal))


def _airpls(lead: np.ndarray, lam: float, iterations: int) -> np.ndarray:
    from pybaselines import Baseline  # here, for its import takes longer than cleaning many records without it
    from pybaselines.utils import ParameterWarning

    fitter = Baseline(np.arange(lead.size, dtype=np.float64), check_finite=False, assume_sorted=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # "almost all points are below the data": an end, no fault
        return fitter.airpls(lead, lam=lam, max_iter=iterations - 1)[0]  # it solves once more than max_iter
