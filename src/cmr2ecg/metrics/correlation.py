"""Pearson's r, for training, metrics and figures (§IV-D.2)."""

import numpy as np
from numpy.typing import NDArray


def pearson(y_true: NDArray, scores: NDArray) -> NDArray[np.float64]:
    """Return Pearson's r (...) of y_true (n,) with scores (..., n), NaN where a side is constant.

    Subjects without y_true are left out.
    """
    known = np.isfinite(y_true)
    truth, scores = y_true[known], scores[..., known]
    a, b = truth - truth.mean(), scores - scores.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
    return np.divide(np.vecdot(a, b), scale, out=np.full(scale.shape, np.nan), where=scale > 0)
