"""Influence of every test subject on the AUROC and on r against leaving subjects out, one at a time."""

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.metrics.influence import auroc_influence, pearson_influence

SUBJECTS, POSITIVE, SEEDS = 6_007, 434, 5  # the paper's test split; CAD
LEFT_OUT = 40  # as many are enough for a rate


def run() -> list[dict]:
    """Return auroc_influence_vs_sklearn and pearson_influence_vs_numpy.

    Raises:
        RuntimeError: if ours and plain disagree.
    """
    rng = np.random.default_rng(0)
    disease = rng.permutation(np.arange(SUBJECTS) < POSITIVE).astype(float)
    phenotype = rng.normal(100, 20, SUBJECTS)
    noise = rng.normal(0, 1, (SEEDS, SUBJECTS))
    return [
        row("auroc_influence_vs_sklearn", auroc_influence, roc_auc_score, disease, disease + 2 * noise),
        row("pearson_influence_vs_numpy", pearson_influence, correlation, phenotype, phenotype + 20 * noise),
    ]


def row(name: str, influence: Callable, metric: Callable, truth: np.ndarray, scores: np.ndarray) -> dict:
    """Return one row: influences of subjects a second, ours and by leaving LEFT_OUT of them out."""
    (values, ours), seconds = timed(lambda: influence(truth, scores))
    plain, plain_seconds = timed(lambda: left_out(metric, truth, scores))
    if np.corrcoef((values[:, None] - plain).ravel(), ours[:, :LEFT_OUT].ravel())[0, 1] < 0.999:
        raise RuntimeError(f"{name}: the influences and the subjects left out disagree")
    note = f"{SUBJECTS} subjects, {SEEDS} seeds; plain: the metric without one subject"
    return compared(name, SUBJECTS / seconds, LEFT_OUT / plain_seconds, "subjects/s", note)


def left_out(metric: Callable, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the metric (seeds, LEFT_OUT) without each of the first subjects."""
    return np.array([[metric(np.delete(truth, i), np.delete(s, i)) for i in range(LEFT_OUT)] for s in scores])


def correlation(truth: np.ndarray, score: np.ndarray) -> float:
    """Return NumPy's r."""
    return np.corrcoef(truth, score)[0, 1]


def timed(work: Callable) -> tuple:
    """Return a result and the seconds it took."""
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin


if __name__ == "__main__":
    alone(run, __doc__)
