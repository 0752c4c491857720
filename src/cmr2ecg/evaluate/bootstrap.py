"""A 95 % interval for a model's mean AUROC over its seeds, from resampled test subjects."""

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
PAIRS = 4_000_000  # pairs of a positive and a negative subject compared at once: 16 MB an array


def bootstrap_interval(y_true: NDArray, scores: NDArray, draws: int, seed: int) -> tuple[float, float]:
    """Return the percentile interval (low, high) of the AUROC averaged over seeds, subjects drawn with replacement.

    Parameters: y_true (n,) in {0, 1}; scores (seeds, n). The same subjects are drawn for every training seed, and,
    as long as `seed` and the order of subjects agree, for every model: intervals of two models are comparable.
    A draw without both classes has no AUROC and is left out; (NaN, NaN) if no draw has both.
    Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    mean = resampled_auroc(y_true, scores, resample(len(y_true), draws, seed))
    mean = mean[~np.isnan(mean)]
    if mean.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(mean, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resample(n: int, draws: int, seed: int) -> NDArray[np.float32]:
    """Return (draws, n): how often each of n subjects was drawn in n draws with replacement."""
    rng = np.random.default_rng(seed)
    counts = np.empty((draws, n), np.float32)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
    return counts


def resampled_auroc(y_true: NDArray, scores: NDArray, counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the AUROC averaged over seeds in each draw; NaN where a draw holds one class only.

    Parameters: y_true (n,) in {0, 1}; scores (seeds, n); counts (draws, n), times each subject was drawn.
    Summed over seeds, who beats whom is one matrix of positives x negatives, and a draw weights its rows and columns:
    all draws and seeds are one matrix product. Wins are counted in halves as whole numbers, so float32 is exact.
    """
    positive = np.asarray(y_true) == 1
    drawn_positive, drawn_negative = counts[:, positive], counts[:, ~positive]
    won = np.zeros(len(counts))
    width = max(1, PAIRS // max(1, int(positive.sum())))
    for start in range(0, drawn_negative.shape[1], width):
        columns = slice(start, start + width)
        beats = sum(_halves_won(row[positive], row[~positive][columns]) for row in scores)
        won += np.einsum("dn,dn->d", drawn_positive @ beats, drawn_negative[:, columns], dtype=np.float64)
    pairs = drawn_positive.sum(axis=1, dtype=np.float64) * drawn_negative.sum(axis=1, dtype=np.float64)
    return np.divide(won, 2 * len(scores) * pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _halves_won(positive: NDArray, negative: NDArray) -> NDArray[np.float32]:
    """Return (positives, negatives): 2 where the positive has the higher score, 1 at a tie, 0 otherwise."""
    above = (positive[:, None] > negative).astype(np.float32)
    above += positive[:, None] >= negative
    return above
