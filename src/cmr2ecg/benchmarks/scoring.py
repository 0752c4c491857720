"""Resampled AUROC and correlations of one model against a call of scikit-learn or NumPy for every draw and seed."""

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.evaluate.statistics.bootstrap import resample, resampled_auroc
from cmr2ecg.evaluate.statistics.pearson import resampled_pearson

SUBJECTS, POSITIVE, SEEDS = 6_007, 434, 5  # the paper's test split; CAD
PLAIN_DRAWS = 40  # as many are enough for a rate
SIDE = 2048


def run() -> list[dict]:
    """Return auroc_draws_vs_sklearn, its share of the matrix-product peak, and pearson_draws_vs_numpy.

    Raises:
        RuntimeError: if ours and plain disagree.
    """
    rng, draws = np.random.default_rng(0), paper_settings()["evaluate"]["bootstrap"]
    disease = (np.arange(SUBJECTS) < POSITIVE).astype(float)
    scores = disease + rng.normal(0, 2, (SEEDS, SUBJECTS))
    counts = resample(SUBJECTS, draws, seed=0)
    note = f"{draws} draws of {SUBJECTS} subjects, {SEEDS} seeds"
    ours, seconds = timed(lambda: resampled_auroc(disease, scores, counts))
    plain, plain_seconds = timed(lambda: each(disease, scores, counts, weighted_auroc))
    agree(ours, plain)
    work = 2 * draws * POSITIVE * (SUBJECTS - POSITIVE) * SEEDS / 1e9
    rows = [rates("auroc_draws_vs_sklearn", draws / seconds, PLAIN_DRAWS / plain_seconds, note)]
    peak = matmul_gflops()
    share = f"plain: product of {SIDE} x {SIDE} float32 matrices by NumPy; {note}"
    rows.append(compared("auroc_draws_of_peak", work / seconds, peak, "GFLOP/s", share))
    phenotype = rng.normal(100, 20, SUBJECTS)
    scores = phenotype + rng.normal(0, 20, (SEEDS, SUBJECTS))
    ours, seconds = timed(lambda: resampled_pearson(phenotype, scores, counts))
    plain, plain_seconds = timed(lambda: each(phenotype, scores, counts, weighted_r))
    agree(ours, plain)
    return [*rows, rates("pearson_draws_vs_numpy", draws / seconds, PLAIN_DRAWS / plain_seconds, note)]


def rates(name: str, ours: float, plain: float, note: str) -> dict:
    """Return one row of draws a second."""
    return compared(name, ours, plain, "draws/s", note)


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Return a result and the seconds it took."""
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin


def each(truth: np.ndarray, scores: np.ndarray, counts: np.ndarray, measure: Callable) -> np.ndarray:
    """Return the measure of the first PLAIN_DRAWS draws and all seeds, one by one."""
    return np.array([[measure(truth, score, count) for score in scores] for count in counts[:PLAIN_DRAWS]])


def weighted_auroc(truth: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
    """Return scikit-learn's AUROC of subjects that were drawn so often."""
    return roc_auc_score(truth, score, sample_weight=count)


def weighted_r(truth: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
    """Return NumPy's correlation of subjects that were drawn so often."""
    covariance = np.cov(truth, score, fweights=count.astype(int))
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


def agree(ours: np.ndarray, plain: np.ndarray) -> None:
    """Stop if the first draws differ."""
    if not np.allclose(ours[: len(plain)], plain, atol=1e-5):
        raise RuntimeError("the resampled scores and those drawn one by one disagree")


def matmul_gflops() -> float:
    """Return the most GFLOP/s that NumPy reaches in a product of large float32 matrices."""
    a = np.ones((SIDE, SIDE), np.float32)
    return max(2 * SIDE**3 / timed(lambda: a @ a)[1] / 1e9 for _ in range(5))


if __name__ == "__main__":
    alone(run, __doc__)
