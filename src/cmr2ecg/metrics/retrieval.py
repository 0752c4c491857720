"""Retrieval: does an ECG find the image of its own subject among those of all, and an image the ECG?

Each subject's two embeddings are a pair. Ties share their mean rank, so that embeddings that are all the same have the
median rank of chance and find nobody.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import quantile_test, rankdata

from cmr2ecg.metrics.proportion import wilson

AT = (1, 5, 10)
MEASURES = (*(f"r{k}" for k in AT), "median_rank")
BLOCK = 1_000_000  # similarities held at once: 4 MB, and some times that while they are ranked
COLUMNS = [
    *("model", "direction", "measure", "value", "low", "high", "chance"),
    *("null_mean", "null_low", "null_high", "p", "n"),
]
TAILS = (0.025, 0.975)


def partner_ranks(queries: NDArray, candidates: NDArray) -> NDArray[np.float64]:
    """Return the rank (n,) of candidate i among all n by cosine similarity to query i: 1 is best.

    queries, candidates: (n, d), row i of both from subject i.
    """
    ranks = []
    for start, similarity in _similarities(queries, candidates):
        own = similarity.diagonal(start)[:, None]
        ties = (similarity == own).sum(axis=1) - 1
        ranks.append(1 + (similarity > own).sum(axis=1) + ties / 2)
    return np.concatenate(ranks)


def ranks_of(queries: NDArray, candidates: NDArray, partners: NDArray[np.int_]) -> NDArray[np.float32]:
    """Return the rank (m, n) of candidate partners[j, i] to query i, for m pairings at once."""
    ranks = np.empty(partners.shape, np.float32)
    for start, similarity in _similarities(queries, candidates):
        rows = slice(start, start + len(similarity))
        of_all = rankdata(-similarity, axis=1)
        ranks[:, rows] = np.take_along_axis(of_all, partners[:, rows].T, axis=1).T
    return ranks


def _similarities(queries: NDArray, candidates: NDArray) -> Iterator[tuple[int, NDArray]]:
    """Yield the first query and the cosine similarity (queries, n) with all candidates, a block at a time."""
    queries, candidates = _unit(queries), _unit(candidates)
    step = max(1, BLOCK // len(candidates))
    for start in range(0, len(queries), step):
        yield start, queries[start : start + step] @ candidates.T


def _unit(vectors: NDArray) -> NDArray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def measures_of(ranks: NDArray) -> dict[str, NDArray]:
    """Return recall at 1, 5 and 10 (the share of ranks up to k) and the median of ranks (..., n), each (...)."""
    return {**{f"r{k}": (ranks <= k).mean(axis=-1) for k in AT}, "median_rank": np.median(ranks, axis=-1)}


def chance(pairs: int) -> dict[str, float]:
    """Return what embeddings that know nothing reach among `pairs` candidates."""
    return {**{f"r{k}": min(1.0, k / pairs) for k in AT}, "median_rank": (pairs + 1) / 2}


def retrieval(a: NDArray, b: NDArray, names: tuple[str, str]) -> dict[str, float]:
    """Return the measures of both directions.

    a, b: (n, d) embeddings of pairs; names: of a and b, for the keys <a>_to_<b>_r1 ... _median_rank.
    """
    return {
        f"{direction}_{measure}": float(value)
        for direction, queries, candidates in directions({names[0]: a, names[1]: b})
        for measure, value in measures_of(partner_ranks(queries, candidates)).items()
    }


def directions(pairs: Mapping[str, NDArray]) -> Iterator[tuple[str, NDArray, NDArray]]:
    """Yield <a>_to_<b>, queries and candidates, both ways."""
    (a, of_a), (b, of_b) = pairs.items()
    yield f"{a}_to_{b}", of_a, of_b
    yield f"{b}_to_{a}", of_b, of_a


def summary(name: str, pairs: Mapping[str, NDArray], permutations: int, seed: int) -> list[tuple]:
    """Return one row of COLUMNS a direction and measure, with its interval, chance, and permuted pairs.

    Permuted: other subjects' candidates in the places of one's own. p is one-sided, the true pairing counted among the
    permutations. Subjects vary as queries; the candidates are those of this split.

    Args:
        name: of the model.
        pairs: ecg and cmr, (n, d), row i of both from subject i.
        permutations, seed: of the permuted pairs.
    """
    n = len(next(iter(pairs.values())))
    rng = np.random.default_rng(seed)
    partners = np.stack([np.arange(n), *(rng.permutation(n) for _ in range(permutations))])
    expected, rows = chance(n), []
    for direction, queries, candidates in directions(pairs):
        ranks = ranks_of(queries, candidates, partners)
        for measure, values in measures_of(ranks).items():
            own, null = float(values[0]), values[1:]
            as_good = null <= own if measure == "median_rank" else null >= own
            p = (1 + int(as_good.sum())) / (1 + permutations)
            numbers = (own, *interval(measure, ranks[0]), expected[measure], null.mean(), *np.quantile(null, TAILS))
            rows.append((name, direction, measure, *map(float, numbers), p, n))
    return rows


def table(rows: list[tuple]) -> pd.DataFrame:
    """Return rows of `summary` as a table."""
    return pd.DataFrame(rows, columns=COLUMNS)


def interval(measure: str, ranks: NDArray) -> tuple[float, float]:
    """Return the 95 % interval of a recall (Wilson) or of the median rank (order statistics; NaN below 6 subjects).

    Both are read off the binomial distribution: an interval of resampled subjects has no width where nobody is found.
    """
    if measure == "median_rank":
        low, high = quantile_test(ranks, p=0.5).confidence_interval(0.95)
        return float(low), float(high)
    return wilson(int((ranks <= int(measure.removeprefix("r"))).sum()), len(ranks))[1:]
