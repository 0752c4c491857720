"""Intervals and tests about new subjects and new training runs at once; p-values corrected for their number.

The multi-reader multi-case analysis of radiology, with training runs as the readers: the variance of a mean over runs
is what the runs differ by, plus what they share because all are tested on the same subjects. The first is seen in the
runs' own metrics, the second is the covariance of two runs, from the influence of each subject.

References: Obuchowski and Rockette, Communications in Statistics: Simulation and Computation 24 (1995) 285-308; degrees
of freedom and intervals: Hillis, Statistics in Medicine 26 (2007) 596-619.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t

LEVEL = 0.95
SCALES = {  # on which an interval is symmetric, the way back, and the derivative; they keep intervals in range
    "auroc": (logit, expit, lambda value: 1 / (value * (1 - value))),
    "r": (np.arctanh, np.tanh, lambda value: 1 / (1 - value**2)),
}


@dataclass(frozen=True)
class Estimate:
    """A mean or difference with its standard error and Hillis' degrees of freedom (infinite where only subjects vary).

    A standard error of zero, as of two classes that are separated in full, measures nothing: there is no interval then.
    """

    value: float
    standard_error: float
    df: float

    def interval(self, metric: str | None = None) -> tuple[float, float]:
        """Return the 95 % interval; for a metric, of SCALES, by the delta method on that scale."""
        if not self.standard_error > np.finfo(float).eps:
            return float("nan"), float("nan")
        there, back, slope = SCALES[metric] if metric else (float, float, lambda value: 1.0)
        reach = t.ppf((1 + LEVEL) / 2, self.df) * self.standard_error * slope(self.value)
        return float(back(there(self.value) - reach)), float(back(there(self.value) + reach))

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value against `null`; without a standard error 1 at `null` itself, else NaN."""
        if self.standard_error > np.finfo(float).eps:
            return float(2 * t.sf(abs(self.value - null) / self.standard_error, self.df))
        return 1.0 if abs(self.value - null) < 1e-12 else float("nan")


@dataclass(frozen=True)
class Readers:
    """A model's metric by reader: names (J), values (J,), and the influence (J, n) of each of n subjects.

    influence[j] @ influence[k] is the covariance of two readers over subjects; so it is for readers of two models.
    """

    names: Sequence[Hashable]
    values: NDArray[np.float64]
    influence: NDArray[np.float64]

    def grouped(self, blocks: Sequence[int]) -> "Readers":
        """Return one reader a block, the mean over its runs; the runs themselves if all are of one block.

        Runs of one block share a pre-training, so only blocks are independent. Blocks of different sizes count equally:
        each block's mean expects the same skill, and their scatter is then the variance of their unweighted mean.

        Args:
            blocks: (J,) each run's.
        """
        names = sorted(set(blocks))
        if len(names) == 1:
            return self
        weights = np.array([[block == name for block in blocks] for name in names], float)
        weights /= weights.sum(axis=1, keepdims=True)
        return Readers(names, weights @ self.values, weights @ self.influence)

    def pooled(self) -> "Readers":
        """Return the readers at hand as a single one, their mean: what is said of it is said of these runs alone."""
        return Readers(["mean"], self.values.mean(keepdims=True), self.influence.mean(axis=0, keepdims=True))

    @property
    def between(self) -> tuple[float, int]:
        """The variance of the mean by what readers differ in, and its degrees of freedom; 0 for a single reader."""
        count = len(self.values)
        return (float(self.values.var(ddof=1)) / count if count > 1 else 0.0), count - 1

    @property
    def shared(self) -> float:
        """The covariance over subjects of two readers, averaged over pairs (Cov2); of a single one its variance."""
        count, total, own = len(self.values), self.influence.sum(axis=0), float((self.influence**2).sum())
        return own if count == 1 else (float(total @ total) - own) / (count * (count - 1))


def mean(model: Readers) -> Estimate:
    """Return a model's mean over readers, as an estimate of that over all readers and subjects there might be."""
    return _estimate(model.values.mean(), [model.between], model.shared)


def difference(a: Readers, b: Readers) -> Estimate:
    """Return how far model a is above model b on the same subjects.

    Readers of the same names are paired: the analysis of two tests by Obuchowski and Rockette is that of one whose
    readers' metrics are the differences (Cov2 becomes 2 Cov2 - 2 Cov3). Otherwise, say a probe of one run against five
    seeds, what readers differ by is summed over the two models, with Satterthwaite's degrees of freedom, and a model of
    one run is taken as it is. With a single reader each, the test is DeLong's for AUROCs.
    """
    if list(a.names) == list(b.names):
        return mean(Readers(a.names, a.values - b.values, a.influence - b.influence))
    across = float(a.influence.mean(axis=0) @ b.influence.mean(axis=0))
    return _estimate(a.values.mean() - b.values.mean(), [a.between, b.between], a.shared + b.shared - 2 * across)


def _estimate(value: float, between: Sequence[tuple[float, int]], shared: float) -> Estimate:
    variance = sum(part for part, _ in between) + np.maximum(shared, 0.0)
    uncertain = sum(part**2 / free for part, free in between if free > 0)
    df = variance**2 / uncertain if uncertain > 0 else float("inf")
    return Estimate(float(value), float(np.sqrt(variance)), float(df))


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
