"""Linear probes: closed form, absent phenotypes, no leak from validation or test into the scaling."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cmr2ecg.training.fit.probe import Embedded, fit_probe, predict, same_subjects, standardised
from cmr2ecg.training.fit.targets import task_of

CAD, LV = task_of("cad"), task_of("lv")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def folds_of(features, values, cuts=(60, 80)):
    parts = zip(("train", "val", "test"), np.split(features, cuts), np.split(values, cuts), strict=True)
    return {name: Embedded(x, y) for name, x, y in parts}


def test_features_are_scaled_by_the_training_fold_and_constant_ones_are_zero(rng):
    features = rng.normal(5, 3, (100, 4))
    features[:, 2] = 7.0
    scaled = standardised(folds_of(features, np.zeros((100, 1))))
    train = scaled["train"].features
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(train.std(0), [1, 1, 0, 1])
    expected = (features[80:, 0] - features[:60, 0].mean()) / features[:60, 0].std()
    np.testing.assert_allclose(scaled["test"].features[:, 0], expected)


def test_ridge_equals_the_normal_equations(rng):
    """w = (X'X + n penalty I)^-1 X'z on the subjects that have the phenotype."""
    features = rng.standard_normal((100, 3))
    values = features @ rng.standard_normal((3, 6)) + 10 * np.arange(6) + rng.standard_normal((100, 6))
    values[:20, 1] = np.nan
    folds = standardised(folds_of(features, values))
    found = predict(LV, folds, 0.3)["test"][:, 1]
    x, y = folds["train"].features[20:], values[20:60, 1]
    centre, z = x.mean(0), (y - y.mean()) / y.std()
    weights = np.linalg.solve((x - centre).T @ (x - centre) + 40 * 0.3 * np.eye(3), (x - centre).T @ z)
    np.testing.assert_allclose(found, ((folds["test"].features - centre) @ weights) * y.std() + y.mean(), rtol=1e-8)


def test_logistic_penalty_is_that_of_the_mean_loss(rng):
    features = rng.standard_normal((100, 3))
    values = (features[:, :1] + rng.standard_normal((100, 1)) > 0).astype(float)
    folds = standardised(folds_of(features, values))
    model = LogisticRegression(C=1 / (60 * 0.1), tol=1e-8, max_iter=5000).fit(folds["train"].features, values[:60, 0])
    expected = model.predict_proba(folds["test"].features)[:, 1:]
    np.testing.assert_allclose(predict(CAD, folds, 0.1)["test"], expected, atol=1e-4)


def test_the_penalty_is_the_best_on_validation_and_test_plays_no_part(rng):
    features = rng.standard_normal((100, 50))
    values = (features[:, :1] + 2 * rng.standard_normal((100, 1)) > 0).astype(float)
    penalties = [1e-4, 1e-2, 1.0]
    probe = fit_probe(CAD, folds_of(features, values), penalties)
    assert probe.best_score == max(probe.scores) and penalties.index(probe.penalty) == probe.scores.index(
        probe.best_score
    )
    poisoned = values.copy()
    poisoned[80:] = 1 - poisoned[80:]
    again = fit_probe(CAD, folds_of(features, poisoned), penalties)
    assert again.penalty == probe.penalty
    assert all(np.array_equal(again.predictions[name], probe.predictions[name]) for name in ("val", "test"))


def test_phenotypes_of_the_same_subjects_share_a_fit():
    nan = float("nan")
    assert same_subjects(np.array([[1, nan, 1, nan], [1, 1, 1, 1]])) == [[0, 2], [1, 3]]
