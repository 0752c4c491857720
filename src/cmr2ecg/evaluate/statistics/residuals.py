"""Values standardised, and what covariates leave of them, for correlations and partial correlations."""

import numpy as np
from numpy.typing import NDArray


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
    spread = centred.std(axis=-1, keepdims=True)
    scale = np.abs(values).max(axis=-1, keepdims=True)
    constant = spread <= 1e-12 * np.maximum(scale, np.finfo(float).tiny)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))
