"""Boosted trees: equal to XGBoost's own interface, prefixes of each other, the same again, right about gaps."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import log_loss
from xgboost import DMatrix, XGBClassifier, XGBRegressor

from cmr2ecg.training.fit.boosting import (
    Problem,
    cross_entropy,
    curve,
    fit_boosting,
    loss,
    predict,
    predictions_by_round,
    score,
)

SETTINGS = {"rounds": 12, "max_depth": 3, "learning_rate": 0.3, "subsample": 0.75}


def covariates(n, seed):
    rng = np.random.default_rng(seed)
    table = {"sex": rng.integers(0, 2, n), "age": rng.normal(60, 8, n), "weight": rng.normal(75, 12, n)}
    table = pd.DataFrame(table | {"height": rng.normal(170, 9, n)})
    return table.mask(rng.random(table.shape) < 0.1)


def values(table, regression, seed=9):
    noise = np.random.default_rng(seed).normal(size=len(table))
    signal = (table["age"].fillna(60).to_numpy() - 60) / 8 + 0.3 * noise
    return 150 + 20 * signal if regression else (signal > 0.5).astype(float)


@pytest.fixture(params=[False, True], ids=["disease", "phenotype"])
def regression(request):
    return request.param


@pytest.fixture
def problem(regression):
    train, val = covariates(300, 1), covariates(200, 2)
    return Problem.of(train, values(train, regression), val, values(val, regression), regression=regression, threads=1)


def test_equals_xgboosts_scikit_learn_interface(problem, regression):
    train, val = covariates(300, 1), covariates(200, 2)
    kind = XGBRegressor if regression else XGBClassifier
    own = {"n_estimators": 12, "max_depth": 3, "learning_rate": 0.3, "subsample": 0.75}
    theirs = kind(**own, random_state=4, n_jobs=1).fit(train, values(train, regression))
    wanted = theirs.predict(val) if regression else theirs.predict_proba(val)[:, 1]
    assert np.array_equal(predict(fit_boosting(problem, SETTINGS, seed=4), val), wanted)


def test_same_seed_same_trees_and_another_seed_others(problem):
    first, second, other = (problem.predict_val(fit_boosting(problem, SETTINGS, seed=seed)) for seed in (4, 4, 5))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_fewer_rounds_are_the_first_trees_of_more(problem):
    longer = fit_boosting(problem, SETTINGS, seed=4)
    for rounds in (1, 5, 12):
        shorter = fit_boosting(problem, SETTINGS | {"rounds": rounds}, seed=4)
        assert np.array_equal(problem.predict_val(longer, (0, rounds)), problem.predict_val(shorter))


def test_predictions_round_by_round_are_those_of_the_prefixes(problem):
    booster = fit_boosting(problem, SETTINGS, seed=4)
    steps = list(predictions_by_round(booster, DMatrix(covariates(200, 2))))
    assert len(steps) == 12
    for rounds, step in enumerate(steps, start=1):
        np.testing.assert_allclose(step, problem.predict_val(booster, (0, rounds)), rtol=1e-6, atol=1e-7)


def test_more_rounds_without_subsampling_lower_the_training_loss(regression):
    train = covariates(300, 1)
    target = values(train, regression)
    problem = Problem.of(train, target, train, target, regression=regression, threads=1)
    losses, scores = curve(problem, train, fit_boosting(problem, SETTINGS | {"subsample": 1.0}, seed=0))
    assert (np.diff(losses) < 0).all()
    assert scores[-1] > scores[0] and scores[-1] > 0.95


def test_one_deep_tree_at_full_rate_is_the_mean_of_each_group():
    """Depth 1, one round, rate 1, no penalty on a leaf's 400 subjects worth mentioning: each sex gets its own mean."""
    sex = np.repeat([0.0, 1.0], 400)
    table = pd.DataFrame({"sex": sex, "age": 60.0, "weight": 70.0, "height": 170.0})
    target = np.where(sex == 1, 160.0, 120.0)
    problem = Problem.of(table, target, table, target, regression=True, threads=1)
    one = {"rounds": 1, "max_depth": 1, "learning_rate": 1.0, "subsample": 1.0}
    # a leaf's value is sum of residuals / (n + lambda), lambda = 1: 20 * 400 / 401
    np.testing.assert_allclose(predict(fit_boosting(problem, one, seed=0), table), 140 + (target - 140) * 400 / 401)


def test_subjects_without_the_phenotype_are_left_out_of_training_and_score():
    train, val = covariates(300, 1), covariates(200, 2)
    target, wanted = values(train, True), values(val, True)
    kept, seen = np.arange(300) % 3 > 0, np.arange(200) % 2 > 0
    whole = Problem.of(train[kept], target[kept], val[seen], wanted[seen], regression=True, threads=1)
    holes = Problem.of(
        train, np.where(kept, target, np.nan), val, np.where(seen, wanted, np.nan), regression=True, threads=1
    )
    a, b = (fit_boosting(problem, SETTINGS, seed=4) for problem in (whole, holes))
    assert np.array_equal(predict(a, val), predict(b, val))
    np.testing.assert_allclose(curve(whole, val[seen], a), curve(holes, val, b), rtol=1e-6)


def test_a_subject_without_covariates_gets_a_prediction(problem):
    empty = covariates(2, 3).mask([[True] * 4, [False] * 4])
    assert np.isfinite(predict(fit_boosting(problem, SETTINGS, seed=0), empty)).all()


def test_known_scores():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    assert score(a, b, True) == pytest.approx(pearsonr(a, b).statistic)
    assert score(a, 3 * a + 7, True) == pytest.approx(1)
    assert score(a, np.full(50, 2.0), True) == 0
    assert loss(a, np.full(50, a.mean()), True) == pytest.approx(1)
    labels, scores = (a > 0).astype(float), rng.random(50)
    assert cross_entropy(labels, scores) == pytest.approx(log_loss(labels, scores))
