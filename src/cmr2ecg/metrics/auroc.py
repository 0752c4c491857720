"""Area under the ROC curve (§IV-D.2)."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


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
    rank_sum = rankdata(y_score, method="average")[positive].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
