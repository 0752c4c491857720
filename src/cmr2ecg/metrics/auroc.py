"""Area under the ROC curve (§IV-D.2)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def auroc(y_true: NDArray, y_score: NDArray) -> float:
    """Return the area under the ROC curve by the Mann-Whitney statistic; ties count one half.

    Parameters: y_true (n,) in {0, 1}; y_score (n,), higher means more likely positive. NaN if only one class is there.
    O(n log n). Reference: Hanley and McNeil, Radiology 143 (1982) 29-36.
    """
    positive = np.asarray(y_true) == 1
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    rank_sum = midranks(y_score)[positive].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def midranks(values: NDArray) -> NDArray[np.float64]:
    """Return the rank of each of (n,) values, 1 for the smallest; ties share the mean of theirs.

    scipy.stats has the same, and takes half a second to import, which every training would wait for.
    """
    return np.asarray(pd.Series(np.asarray(values)).rank(), np.float64)
