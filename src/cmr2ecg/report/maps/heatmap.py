"""The similarity map as a number: does the ECG point at the left ventricle of its own image, or at its infarct?

Every measure is taken for true pairs and, as the null, for pairs shuffled between subjects. A model whose maps light up
the ventricle whatever the ECG is no better than its null, however good the maps look. For infarcts the pairs are
shuffled among those who have one: what counts is that the ECG tells where the infarct is, not that there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

MEASURES = ("share", "pointing", "inside", "contrast")
INFARCT = {"share": "infarct_share", "pointing": "infarct_pointing", "contrast": "infarct_contrast"}
COARSEST = 4  # places across 142 mm; the ventricle is about 70 mm wide
HALF = 0.5  # a place belongs to the region if this covers at least half as much of it as of any place
BLOCK = 8_000_000  # similarities held at once: 32 MB
COLUMNS = ["model", "measure", "value", "low", "high", "flat", "null_mean", "null_low", "null_high", "p", "n", "map"]
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Scored:
    """Measures of all pairs: {measure: (images, ECGs)}, and what a map without any contrast would get."""

    pairs: Mapping[str, NDArray[np.float32]]
    flat: Mapping[str, float]

    def own(self, measure: str) -> NDArray[np.float32]:
        """Return the measure of each image with its own subject's ECG, (n,)."""
        return self.pairs[measure].diagonal()

    def renamed(self, names: Mapping[str, str]) -> "Scored":
        """Return the measures in `names` alone, by their new names."""
        pairs = {new: self.pairs[old] for old, new in names.items()}
        return Scored(pairs, {new: self.flat[old] for old, new in names.items()})


def score_pairs(regions: NDArray, signals: NDArray, coverage: NDArray, rest: NDArray | None = None) -> Scored:
    """Measure the map of every image with every ECG.

    - share: positive similarity inside a region, as a share of all positive similarity; 0 if there is none.
    - pointing: 1 if the most similar place is the region's (the pointing game of Zhang et al. 2018).
    - inside: mean cosine similarity inside the region.
    - contrast: that minus the mean of the rest; unlike the others free of an offset that all similarities share.

    Args:
        regions: (n, height, width, d) unit vectors of image places.
        signals: (n, d) unit vectors of ECGs, subject i's in row i.
        coverage: (n, height, width), share of each place that the region covers, such as the left ventricle; above 0
            somewhere.
        rest: likewise, what the region is compared with; left out: all that it does not cover.
    """
    n, places = len(regions), coverage.shape[1] * coverage.shape[2]
    local, cover = regions.reshape(n, places, -1), coverage.reshape(n, places).astype(np.float32)
    others = 1 - cover if rest is None else rest.reshape(n, places).astype(np.float32)
    belongs = cover >= HALF * cover.max(axis=1, keepdims=True)
    pairs = {measure: np.empty((n, len(signals)), np.float32) for measure in MEASURES}
    step = max(1, BLOCK // (places * len(signals)))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        similar = signals @ local[rows].transpose(0, 2, 1)  # (step, ECGs, places)
        best = similar.argmax(axis=2)
        pairs["pointing"][rows] = np.take_along_axis(belongs[rows], best, axis=1)
        positive = np.maximum(similar, 0, out=similar)
        weights = np.stack([cover[rows], np.ones_like(cover[rows])], axis=2)
        inside, total = np.moveaxis(positive @ weights, 2, 0)
        pairs["share"][rows] = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    pairs["inside"][:] = _weighted(local, cover) @ signals.T
    pairs["contrast"][:] = pairs["inside"] - _weighted(local, others) @ signals.T
    flat = {
        "share": float(cover.mean()),
        "pointing": float(belongs.mean()),
        "inside": float("nan"),
        "contrast": 0.0,
    }
    return Scored(pairs, flat)


def _weighted(local: NDArray, weights: NDArray) -> NDArray[np.float32]:
    """Return the mean (n, d) of local (n, places, d), whose similarity is the mean similarity of the places."""
    return np.einsum("npd,np->nd", local, weights / weights.sum(axis=1, keepdims=True))


def summary(name: str, scored: Scored, grid: tuple[int, int], permutations: int, draws: int, seed: int) -> list[tuple]:
    """Return one row of COLUMNS a measure: its mean over true pairs, a 95 % interval, the null and p.

    p is one-sided with the observed deal counted among the permutations, so never 0 (Phipson and Smyth 2010).
    """
    rows = []
    for measure in scored.pairs:
        own = scored.own(measure)
        null = permuted_means(scored.pairs[measure], permutations, seed)
        p = (1 + int((null >= own.mean(dtype=np.float64)).sum())) / (1 + permutations)
        interval = bootstrap(own, draws, seed)
        numbers = (own.mean(dtype=np.float64), *interval, scored.flat[measure], null.mean(), *np.quantile(null, TAILS))
        rows.append((name, measure, *map(float, numbers), p, len(own), f"{grid[0]}x{grid[1]}"))
    return rows


def difference(names: tuple[str, str], scored: tuple[Scored, Scored]) -> list[tuple]:
    """Return one row of COLUMNS a measure: first minus second model, and the paired t test over the same subjects.

    p is two-sided. Only subjects vary here: each model is one network.
    """
    rows = []
    for measure in scored[0].pairs:
        gain = (scored[0].own(measure) - scored[1].own(measure)).astype(np.float64)
        numbers = [gain.mean(), float("nan"), float("nan")]
        p = float("nan")
        if len(gain) > 1 and np.ptp(gain) > 0:
            test = ttest_1samp(gain, 0.0)
            numbers[1:], p = test.confidence_interval(), float(test.pvalue)
        rows.append((f"{names[0]} - {names[1]}", measure, *map(float, numbers), *[float("nan")] * 4, p, len(gain), ""))
    return rows


def permuted_means(pairs: NDArray, permutations: int, seed: int) -> NDArray[np.float64]:
    """Return the mean of pairs[i, other(i)] for random deals of the ECGs to the images, (permutations,)."""
    rng, rows = np.random.default_rng(seed), np.arange(len(pairs))
    return np.array([pairs[rows, rng.permutation(len(rows))].mean(dtype=np.float64) for _ in range(permutations)])


def bootstrap(values: NDArray, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of `values` (n,), subjects drawn with replacement."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean(dtype=np.float64) for _ in range(draws)]
    low, high = np.quantile(means, TAILS)
    return float(low), float(high)


def table(rows: list[tuple]) -> pd.DataFrame:
    """Return rows of `summary` and `difference` as a table."""
    return pd.DataFrame(rows, columns=COLUMNS)
