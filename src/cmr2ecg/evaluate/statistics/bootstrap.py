"""Intervals and paired comparisons from resampled test subjects and seeds.

A draw takes n subjects and s seeds with replacement. All models of a target share the subjects of a draw, so that the
difference of two models is paired. A model's value in a draw is the mean over the drawn seeds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
PAIRS = 4_000_000  # pairs of a positive and a negative subject compared at once: 16 MB an array


@dataclass(frozen=True)
class Difference:
    """How far one model is above another: the difference on the test subjects, its interval, a two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def resample(n: int, draws: int, seed: int) -> NDArray[np.float32]:
    """Return (draws, n): how often each of n subjects was drawn in n draws with replacement.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    rng = np.random.default_rng(seed)
    counts = np.empty((draws, n), np.float32)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
    return counts


def over_seeds(values: NDArray, seed: int) -> NDArray[np.float64]:
    """Return the mean (draws,) of values (draws, seeds) over as many seeds drawn with replacement in each draw.

    The same random numbers for every model with as many seeds. One seed leaves only the subjects to vary.
    """
    draws, seeds = values.shape
    chosen = np.random.default_rng([seed, seeds]).integers(0, seeds, size=(draws, seeds))
    return np.take_along_axis(values, chosen, axis=1).mean(axis=1)


def interval(draws: NDArray) -> tuple[float, float]:
    """Return the 95 % percentile interval of draws (d,), those that are NaN left out; (NaN, NaN) if none is left."""
    known = draws[~np.isnan(draws)]
    if known.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def compare(value_a: float, value_b: float, draws_a: NDArray, draws_b: NDArray) -> Difference:
    """Return how far model a is above model b; the draws (d,) of both must rest on the same subjects.

    p is twice the share of draws on the rarer side of zero, draws at zero counting as half on each, never below 1 / d.
    """
    difference = draws_a - draws_b
    difference = difference[~np.isnan(difference)]
    if difference.size == 0:
        return Difference(value_a - value_b, float("nan"), float("nan"), float("nan"))
    below = (difference < 0).mean() + (difference == 0).mean() / 2
    p_value = min(1.0, max(2 * min(below, 1 - below), 1 / difference.size))
    return Difference(value_a - value_b, *interval(difference), float(p_value))


def holm(p_values: NDArray) -> NDArray[np.float64]:
    """Return p-values (m,) corrected for making m comparisons; NaN stays NaN and is not counted.

    Reference: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    p_values = np.asarray(p_values, np.float64)
    corrected = np.full(p_values.shape, np.nan)
    order = [index for index in np.argsort(p_values) if not np.isnan(p_values[index])]
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - position) * p_values[index]))
        corrected[index] = largest
    return corrected


def resampled_auroc(y_true: NDArray, scores: NDArray, counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the AUROC (draws, seeds) of each draw and seed; NaN where a draw holds one class only.

    Parameters: y_true (n,) in {0, 1}; scores (seeds, n); counts (draws, n), times each subject was drawn.
    Who beats whom is a matrix of positives x negatives, and a draw weights its rows and columns: all draws are one
    matrix product a seed. Wins are counted in halves as whole numbers, so float32 is exact.
    """
    positive = np.asarray(y_true) == 1
    drawn_positive, drawn_negative = counts[:, positive], counts[:, ~positive]
    pairs = drawn_positive.sum(axis=1, dtype=np.float64) * drawn_negative.sum(axis=1, dtype=np.float64)
    width = max(1, PAIRS // max(1, int(positive.sum())))
    won = np.zeros((len(counts), len(scores)))
    for seed, row in enumerate(scores):
        for start in range(0, drawn_negative.shape[1], width):
            columns = slice(start, start + width)
            beats = _halves_won(row[positive], row[~positive][columns])
            won[:, seed] += np.einsum("dn,dn->d", drawn_positive @ beats, drawn_negative[:, columns], dtype=np.float64)
    return np.divide(won, 2 * pairs[:, None], out=np.full(won.shape, np.nan), where=pairs[:, None] > 0)


def _halves_won(positive: NDArray, negative: NDArray) -> NDArray[np.float32]:
    """Return (positives, negatives): 2 where the positive has the higher score, 1 at a tie, 0 otherwise."""
    above = (positive[:, None] > negative).astype(np.float32)
    above += positive[:, None] >= negative
    return above
