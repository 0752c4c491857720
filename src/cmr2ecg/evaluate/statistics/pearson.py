"""Pearson's correlation with missing values, its resampled form, and the correlation that is left after covariates."""

import numpy as np
from numpy.typing import NDArray

FEWEST = 3  # pairs of values; two always lie on a line


def pearson(y_true: NDArray, y_score: NDArray) -> float:
    """Return Pearson's r where y_true (n,) is there (§IV-D.2); NaN for fewer than three pairs or a constant side."""
    known = ~np.isnan(y_true)
    counts = np.ones((1, len(y_true)))
    return float(resampled_pearson(y_true, y_score[None], counts)[0, 0]) if known.sum() >= FEWEST else float("nan")


def resampled_pearson(y_true: NDArray, scores: NDArray, counts: NDArray) -> NDArray[np.float64]:
    """Return r (draws, seeds) of y_true (n,) with scores (seeds, n), subjects weighted by counts (draws, n).

    Subjects without y_true are left out of every draw. Values are centred first, so that sums of squares keep their
    digits. NaN where a draw holds a constant or fewer than three subjects.
    """
    known = ~np.isnan(y_true)
    y, s, weights = y_true[known], scores[:, known], np.asarray(counts[:, known], np.float64)
    if len(y) == 0:
        return np.full((len(counts), len(scores)), np.nan)
    y, s = _standard(y), _standard(s)
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_y = (weights @ y) / total
        mean_s = (weights @ s.T) / total[:, None]
        variance_y = (weights @ y**2) / total - mean_y**2
        variance_s = (weights @ (s**2).T) / total[:, None] - mean_s**2
        covariance = (weights @ (y * s).T) / total[:, None] - mean_y[:, None] * mean_s
        r = covariance / np.sqrt(variance_y[:, None] * variance_s)
    constant = (variance_y[:, None] < 1e-12) | (variance_s < 1e-12) | ((weights > 0).sum(axis=1) < FEWEST)[:, None]
    return np.where(constant, np.nan, np.clip(r, -1, 1))


def residuals(values: NDArray, covariates: NDArray) -> NDArray[np.float64]:
    """Return what a least-squares fit of covariates (n, k) and a constant leaves of values (..., n).

    The correlation of two such remainders is the partial correlation, given the covariates. No value may be missing.
    """
    design = np.column_stack([np.ones(len(covariates)), _standard(covariates.T).T])
    centred = values - values.mean(axis=-1, keepdims=True)
    left = centred - (design @ np.linalg.lstsq(design, centred.T, rcond=None)[0]).T
    explained = left.std(axis=-1, keepdims=True) <= 1e-9 * centred.std(axis=-1, keepdims=True)
    return np.where(explained, 0.0, left)  # what rounding leaves of a value that is explained in full is no remainder


def _standard(values: NDArray) -> NDArray[np.float64]:
    """Return values (..., n) with mean 0 and standard deviation 1 along the last axis; a constant becomes 0."""
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = centred.std(axis=-1, keepdims=True)
    scale = np.abs(values).max(axis=-1, keepdims=True)
    constant = spread <= 1e-12 * np.maximum(scale, np.finfo(float).tiny)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))
