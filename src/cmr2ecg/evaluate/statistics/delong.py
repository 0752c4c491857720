"""DeLong's test for the difference of two AUROCs measured on the same subjects, in O(n log n)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class Comparison:
    """Two AUROCs on the same subjects: their difference a - b, its standard error, and the two-sided p-value."""

    difference: float
    standard_error: float
    p_value: float


def delong_test(y_true: NDArray, a: NDArray, b: NDArray) -> Comparison:
    """Compare the AUROCs of models a and b, each averaged over its seeds.

    DeLong's variance comes from each subject's share in the AUROC. Shares are linear, so the share in a mean over seeds
    is the mean of the shares, and one seed gives the published test. The test speaks about new subjects; it takes the
    trained models as they are.

    Args:
        y_true: (n,) in {0, 1}.
        a, b: (seeds, n), higher means more likely positive; the numbers of seeds may differ.

    Returns:
        NaN throughout if a class has fewer than two subjects; p is 1 where nothing differs, 0 where the difference
        is certain.

    Reference: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; midranks: Sun and Xu, IEEE Signal
    Processing Letters 21 (2014) 1389-1393.
    """
    positive = np.asarray(y_true) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return Comparison(float("nan"), float("nan"), float("nan"))
    of_positive, of_negative = (
        left - right for left, right in zip(mean_shares(positive, a), mean_shares(positive, b), strict=True)
    )
    difference = float(of_positive.mean())
    variance = of_positive.var(ddof=1) / of_positive.size + of_negative.var(ddof=1) / of_negative.size
    error = float(np.sqrt(variance))
    if error <= np.finfo(float).eps:
        return Comparison(difference, 0.0, 1.0 if abs(difference) < 1e-12 else 0.0)
    return Comparison(difference, error, float(2 * norm.sf(abs(difference) / error)))


def mean_shares(positive: NDArray[np.bool_], scores: NDArray) -> tuple[NDArray, NDArray]:
    """Return each subject's share in the AUROC, averaged over seeds: of the positives (m,) and of the negatives (n,).

    A positive's share is the proportion of negatives it outscores, a negative's the proportion of positives that
    outscore it, ties counting one half. The mean of either is the AUROC.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    of_positive, of_negative = np.zeros(m), np.zeros(n)
    for score in np.atleast_2d(scores):
        ranks = rankdata(score)
        of_positive += (ranks[positive] - rankdata(score[positive])) / n
        of_negative += 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    count = len(np.atleast_2d(scores))
    return of_positive / count, of_negative / count
