"""The Whittaker smoother of an ECG's baseline: many leads against one penalty, by LAPACK's banded solvers.

A smooth curve z near a lead y: the least sum of w (y - z)^2 + lam (second differences of z)^2. It solves
(W + lam D'D) z = W y, symmetric with two diagonals beside the main one (Eilers 2003, Anal. Chem. 75:3631).
"""

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
