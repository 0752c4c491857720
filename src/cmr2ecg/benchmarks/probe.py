"""Linear probes of the wall thickness group: all phenotypes and penalties together, against a model for each."""

import time

import numpy as np
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.training.fit.probe import Embedded, fit_probe, standardised
from cmr2ecg.training.fit.targets import task_of

TRAIN, HELD_OUT, FEATURES = 14_015, 6_007, 384  # the paper's cohort, half of which has phenotypes


def run() -> list[dict]:
    """Return probe_vs_one_by_one and the share of the matrix products X'X and X'y alone."""
    penalties, task = paper_settings()["probe"]["penalties"], task_of("wt")
    rng = np.random.default_rng(0)
    folds = {name: made_up(count, len(task.outputs), rng) for name, count in sizes().items()}
    with threadpool_limits(1):
        begin = time.perf_counter()
        fit_probe(task, folds, penalties)
        middle = time.perf_counter()
        one_by_one(standardised(folds), penalties)
        end = time.perf_counter()
        features, values = folds["train"].features, folds["train"].values
        products = features.T @ features, features.T @ values
        limit = time.perf_counter() - end
    fits = len(penalties) * len(task.outputs)
    note = f"{len(task.outputs)} phenotypes x {len(penalties)} penalties, {TRAIN} subjects, {FEATURES} features"
    share = f"of X'X {products[0].shape} and X'y {products[1].shape} once"
    ours, plain, limit = (fits / seconds for seconds in (middle - begin, end - middle, limit))
    return [
        compared("probe_vs_one_by_one", ours, plain, "fits/s", note),
        compared("probe_of_products", ours, limit, "fits/s", f"{share}; {note}"),
    ]


def sizes() -> dict[str, int]:
    """Return the subjects of each fold."""
    return {"train": TRAIN, "val": HELD_OUT, "test": HELD_OUT}


def made_up(count: int, outputs: int, rng: np.random.Generator) -> Embedded:
    """Return embeddings and phenotypes that half follow them."""
    features = rng.standard_normal((count, FEATURES))
    return Embedded(features, features[:, :outputs] + rng.standard_normal((count, outputs)))


def one_by_one(folds: dict[str, Embedded], penalties: list[float]) -> None:
    """Fit a ridge regression for each phenotype and penalty and predict both held-out folds."""
    train = folds["train"]
    for penalty in penalties:
        for column in train.values.T:
            model = Ridge(alpha=penalty * len(column), solver="cholesky").fit(train.features, column)
            for name in ("val", "test"):
                model.predict(folds[name].features)


if __name__ == "__main__":
    alone(run, __doc__)
