"""Fits and scores without networks: linear probes, XGBoost's grid, how much each test subject moves a metric."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from paper_settings import paper_settings
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from bench.rows import compared, seconds_of
from cmr2ecg.metrics.influence import auroc_influence, pearson_influence
from cmr2ecg.study.sweep_grid import combinations
from cmr2ecg.sweeps.run import fits_of
from cmr2ecg.sweeps.trees import tree_outcomes
from cmr2ecg.training.fit.boosting import Problem
from cmr2ecg.training.fit.probe import Embedded, fit_probe, standardised
from cmr2ecg.training.fit.targets import task_of

# Of the paper's cohort: half of its subjects have phenotypes, 4,030 train on CAD, 6,007 are held out, 434 with CAD.
TRAIN, HELD_OUT, FEATURES = 14_015, 6_007, 384
CAD_TRAIN, CAD_VAL = 4_030, 6_007
SUBJECTS, POSITIVE, SEEDS = 6_007, 434, 5
LEFT_OUT = 40  # subjects; as many are enough for a rate
TREES = {"rounds": [50, 75, 100, 125, 150], "max_depth": [3, 8], "learning_rate": [0.1, 0.3], "subsample": [0.5]}


def run() -> Iterator[dict]:
    """Yield the rows probe_..., xgboost_grid_... and ..._influence_..."""
    with threadpool_limits(1):
        yield from probes()
    yield from grid()
    yield from influences()


def probes() -> Iterator[dict]:
    """Wall thickness: all phenotypes and penalties together, against a model for each, and the products alone."""
    penalties, task, rng = paper_settings()["probe"]["penalties"], task_of("wt"), np.random.default_rng(0)
    folds = {}
    for name, count in {"train": TRAIN, "val": HELD_OUT, "test": HELD_OUT}.items():
        features = rng.standard_normal((count, FEATURES))
        values = features[:, : len(task.outputs)] + rng.standard_normal((count, len(task.outputs)))
        folds[name] = Embedded(features, values)

    def ridges(columns: Callable) -> None:
        scaled = standardised(folds)
        for penalty in penalties:
            for values in columns(scaled["train"].values):
                model = Ridge(alpha=penalty * TRAIN, solver="cholesky").fit(scaled["train"].features, values)
                _ = [model.predict(scaled[name].features) for name in ("val", "test")]

    features, values = folds["train"].features, folds["train"].values
    ways = (
        lambda: fit_probe(task, folds, penalties),
        lambda: ridges(np.transpose),
        lambda: ridges(lambda whole: [whole]),
        lambda: (features.T @ features, features.T @ values),
    )
    fits = len(penalties) * len(task.outputs)
    ours, plain, best, limit = (fits / seconds for seconds in seconds_of(*ways, warm=False))
    note = f"{len(task.outputs)} phenotypes x {len(penalties)} penalties, {TRAIN} subjects, {FEATURES} features"
    also = f"best alternative: scikit-learn's Ridge, all phenotypes at once: {best:.3g}"
    yield compared("probe_vs_one_by_one", ours, plain, "fits/s", f"{note}; {also}")
    share = f"of X'X ({FEATURES}, {FEATURES}) and X'y ({FEATURES}, {len(task.outputs)}) once; {note}"
    yield compared("probe_of_products", ours, limit, "fits/s", share)


def grid() -> Iterator[dict]:
    """XGBoost's grid with shared trees, and with a training for each trial.

    The limit is to train only those with the most rounds, whose first trees are the other trials.
    """
    rng = np.random.default_rng(0)
    train, val = (pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd")) for n in (CAD_TRAIN, CAD_VAL))
    labels = [(table["a"] + 2 * rng.normal(size=len(table)) > 0).astype(float).to_numpy() for table in (train, val)]
    trials = combinations(TREES)

    def shared() -> None:
        problem = Problem.of(train, labels[0], val, labels[1], regression=False, threads=1)
        list(tree_outcomes([problem], fits_of(trials, [0]), {}))

    def one_by_one(chosen: list[dict]) -> None:
        for trial in chosen:
            renamed = {"n_estimators" if name == "rounds" else name: value for name, value in trial.items()}
            XGBClassifier(**renamed, random_state=0, n_jobs=1).fit(train, labels[0]).predict_proba(val)

    longest = [trial for trial in trials if trial["rounds"] == max(TREES["rounds"])]
    ways = shared, lambda: one_by_one(trials), lambda: one_by_one(longest)
    ours, plain, limit = (len(trials) / seconds for seconds in seconds_of(*ways, warm=False))
    note = f"{len(trials)} trials, {CAD_TRAIN} subjects to train on and {CAD_VAL} to score, 1 thread"
    yield compared("xgboost_grid_vs_one_by_one", ours, plain, "trials/s", note)
    yield compared("xgboost_grid_of_longest", ours, limit, "trials/s", f"of training the longest alone; {note}")


def influences() -> Iterator[dict]:
    """Influence of every test subject on the AUROC and on r, against leaving subjects out, one at a time.

    The best alternative is a short one: the metric without a subject, from the sums or ranks with it.
    """
    rng = np.random.default_rng(0)
    disease = rng.permutation(np.arange(SUBJECTS) < POSITIVE).astype(float)
    phenotype, noise = rng.normal(100, 20, SUBJECTS), rng.normal(0, 1, (SEEDS, SUBJECTS))
    ways = auroc_influence, roc_auc_score, jackknife_auroc
    yield influence_row("auroc_influence_vs_sklearn", *ways, disease, disease + 2 * noise)
    ways = pearson_influence, lambda truth, score: np.corrcoef(truth, score)[0, 1], jackknife_r
    yield influence_row("pearson_influence_vs_numpy", *ways, phenotype, phenotype + 20 * noise)


def influence_row(name: str, influence: Callable, metric: Callable, best: Callable, truth, scores) -> dict:
    """Return one row: influences of subjects a second, ours and by leaving LEFT_OUT of them out.

    Raises:
        RuntimeError: if the ways disagree.
    """
    found = {}
    ways = {
        "ours": lambda: influence(truth, scores),
        "plain": lambda: [[metric(np.delete(truth, i), np.delete(s, i)) for i in range(LEFT_OUT)] for s in scores],
        "best": lambda: np.array([best(truth, s) for s in scores]),
    }
    calls = [lambda key=key, way=way: found.update({key: way()}) for key, way in ways.items()]
    seconds = seconds_of(*calls, warm=False)
    values, moved = found["ours"]
    for without in (np.array(found["plain"]), found["best"][:, :LEFT_OUT]):
        if np.corrcoef((values[:, None] - without).ravel(), moved[:, :LEFT_OUT].ravel())[0, 1] < 0.999:
            raise RuntimeError(f"{name}: the influences and the subjects left out disagree")
    ours, plain, best = (count / s for count, s in zip((SUBJECTS, LEFT_OUT, SUBJECTS), seconds, strict=True))
    note = f"{SUBJECTS} subjects, {SEEDS} seeds; plain: the metric without one subject; "
    note += f"best alternative: a jackknife in a few lines of NumPy, {best:,.0f}"
    return compared(name, ours, plain, "subjects/s", note)


def jackknife_auroc(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the AUROC (n,) without each subject: the pairs won less those that the subject won."""
    ill = truth == 1
    below, own = rankdata(score), np.empty(len(score))
    own[ill], own[~ill] = rankdata(score[ill]), rankdata(score[~ill])
    won = np.where(ill, below - own, ill.sum() - (below - own))  # pairs of each subject that are in the right order
    pairs = np.where(ill, (ill.sum() - 1) * (~ill).sum(), ill.sum() * ((~ill).sum() - 1))
    return (won[ill].sum() - won) / pairs


def jackknife_r(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return Pearson's r (n,) without each subject."""
    x, y, n = truth - truth.mean(), score - score.mean(), len(truth) - 1
    sums = [values.sum() - values for values in (x, y, x * y, x * x, y * y)]
    sx, sy, sxy, sxx, syy = sums
    return (n * sxy - sx * sy) / np.sqrt((n * sxx - sx**2) * (n * syy - sy**2))
