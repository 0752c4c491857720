"""How much each test subject moves a metric: the covariance of two metrics is the sum over subjects of their products.

Each function returns the values (s,) of s runs, NaN where undefined, and the influences (s, n) of n subjects, which sum
to zero and are scaled so that influence[j] @ influence[k] is the covariance of the metrics of runs j and k.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cmr2ecg.metrics.correlation import pearson


def residuals(values: NDArray, covariates: NDArray) -> NDArray[np.float64]:
    """Return what a least-squares fit of covariates (n, k) and a constant leaves of values (..., n).

    The correlation of two such remainders is the partial correlation, given the covariates. No value may be missing.
    """
    design = np.column_stack([np.ones(len(covariates)), standardise(covariates.T).T])
    centred = values - values.mean(axis=-1, keepdims=True)
    left = centred - (design @ np.linalg.lstsq(design, centred.T, rcond=None)[0]).T
    explained = left.std(axis=-1, keepdims=True) <= 1e-9 * centred.std(axis=-1, keepdims=True)
    return np.where(explained, 0.0, left)  # what rounding leaves of a value that is explained in full is no remainder


def standardise(values: NDArray) -> NDArray[np.float64]:
    """Return values (..., n) with mean 0 and standard deviation 1 along the last axis; a constant becomes 0."""
    if values.shape[-1] == 0:
        return values
    centred = values - values.mean(axis=-1, keepdims=True)
    std = centred.std(axis=-1, keepdims=True)
    scale = np.abs(values).max(axis=-1, keepdims=True)
    constant = std <= 1e-12 * np.maximum(scale, np.finfo(float).tiny)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, std))


MIN_PAIRS = 3  # of values for a correlation; two always lie on a line
Influence = tuple[NDArray[np.float64], NDArray[np.float64]]


def auroc_influence(y_true: NDArray, scores: NDArray) -> Influence:
    """Return AUROC (s,) and DeLong's structural components (s, n), centred and scaled, of y_true (n,), scores (s, n).

    A positive's component is the share of negatives it outscores, a negative's the share of positives that outscore it,
    ties counting one half; the mean of either is the AUROC. The influences are NaN if a class has fewer than two
    subjects. Any leading axes of `scores` are kept. O(n log n).

    Reference: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; midranks: Sun and Xu, IEEE Signal
    Processing Letters 21 (2014) 1389-1393.
    """
    positive = np.asarray(y_true) == 1
    m, n = int(positive.sum()), int((~positive).sum())
    components = np.full(scores.shape, np.nan)
    if min(m, n) == 0:
        return components.mean(axis=-1), components
    ranks = rankdata(scores, axis=-1)
    components[..., positive] = (ranks[..., positive] - rankdata(scores[..., positive], axis=-1)) / n
    components[..., ~positive] = 1 - (ranks[..., ~positive] - rankdata(scores[..., ~positive], axis=-1)) / m
    values = components[..., positive].mean(axis=-1)
    scale = np.where(positive, m * (m - 1.0), n * (n - 1.0))
    centred = components - values[..., None]
    return values, np.divide(centred, np.sqrt(scale), out=np.full(centred.shape, np.nan), where=min(m, n) > 1)


def pearson_influence(y_true: NDArray, scores: NDArray) -> Influence:
    """Return Pearson's r (s,) and its influence function (s, n) of y_true (n,) with scores (s, n).

    r is NaN, and all influences 0, for fewer than three pairs of values or a constant side.

    Subjects without y_true are left out (§IV-D.2): their influence is zero. With standardised y and s it is
    y s - r (y^2 + s^2) / 2, divided by the square root of N (N - 1). Any leading axes of `scores` are kept.

    Reference: Devlin, Gnanadesikan and Kettenring, Biometrika 62 (1975) 531-545.
    """
    known = ~np.isnan(y_true)
    size = int(known.sum())
    if size < MIN_PAIRS:
        return np.full(scores.shape[:-1], np.nan), np.zeros(scores.shape)
    y, s = standardise(y_true[known]), standardise(scores[..., known])
    defined = y.any() & s.any(axis=-1)
    r = np.where(defined, np.clip(pearson(y_true, scores), -1, 1), 0.0)
    influence = np.zeros(scores.shape)
    influence[..., known] = (y * s - r[..., None] * (y**2 + s**2) / 2) / np.sqrt(size * (size - 1.0))
    return np.where(defined, r, np.nan), influence
