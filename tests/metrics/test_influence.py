"""Influences against DeLong's definition pair by pair, the published test, and the jackknife."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, pearsonr

from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.influence import auroc_influence, pearson_influence
from cmr2ecg.metrics.multireader import Readers, difference


def reader(labels, score):
    """A model of one run, in which only subjects vary."""
    return Readers(["only"], *auroc_influence(labels, score[None]))


def by_definition(labels, a, b):
    """Difference, standard error and p from the m x n kernel of DeLong et al. 1988, equations 4 to 7."""
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    m, n = len(positive), len(negative)
    theta, v10, v01 = [], np.zeros((2, m)), np.zeros((2, n))
    for row, scores in enumerate((a, b)):
        kernel = np.array(
            [[1.0 * (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for j in negative] for i in positive]
        )
        theta.append(kernel.mean())
        v10[row], v01[row] = kernel.mean(axis=1), kernel.mean(axis=0)
    s = np.cov(v10) / m + np.cov(v01) / n
    error = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    z = (theta[0] - theta[1]) / error
    return theta[0] - theta[1], error, 2 * norm.sf(abs(z))


@pytest.mark.parametrize("seed", range(5))
def test_one_run_each_is_delongs_published_test_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(45) < 0.4).astype(float)
    a, b = (np.round(rng.normal(size=45) + shift * labels, 1) for shift in (1.0, 0.5))
    ours = difference(reader(labels, a), reader(labels, b))
    found = ours.value, ours.standard_error, ours.p_value()
    assert found == pytest.approx(by_definition(labels, a, b), rel=1e-10)


def test_values_are_the_aurocs_in_any_number_of_axes():
    rng = np.random.default_rng(1)
    labels, scores = rng.random(80) < 0.3, np.round(rng.normal(size=(2, 3, 80)), 1)
    values, influence = auroc_influence(labels, scores)
    assert values.ravel() == pytest.approx([auroc(labels, score) for score in scores.reshape(6, 80)])
    np.testing.assert_allclose(influence.sum(axis=-1), 0, atol=1e-12)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_rising_map_changes_nothing_and_swapped_classes_turn_the_sign(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.permutation(np.arange(30) % 2), rng.normal(size=(2, 30))
    values, influence = auroc_influence(labels, scores)
    np.testing.assert_allclose(auroc_influence(labels, np.exp(scores))[1], influence, atol=1e-12)
    turned = auroc_influence(1 - labels, scores)
    np.testing.assert_allclose(turned[0], 1 - values)
    np.testing.assert_allclose(turned[1], -influence, atol=1e-12)


def test_p_is_uniform_where_the_models_are_equally_good():
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], [90, 60])
    p_values = []
    for _ in range(300):
        signal = rng.normal(size=150) + labels
        a, b = (reader(labels, signal + rng.normal(size=150)) for _ in range(2))
        p_values.append(difference(a, b).p_value())
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_a_class_of_one_subject_has_an_auroc_without_an_error_and_an_empty_class_none():
    values, influence = auroc_influence(np.array([1, 0, 0]), np.array([[2.0, 1.0, 3.0]]))
    assert values == [0.5] and np.isnan(influence).all()
    values, influence = auroc_influence(np.zeros(3), np.ones((2, 3)))
    assert np.isnan(values).all() and np.isnan(influence).all()


def test_it_is_fast_for_a_whole_biobank():
    rng = np.random.default_rng(4)
    labels, scores = rng.random(200_000) < 0.05, rng.normal(size=200_000)
    assert difference(reader(labels, scores), reader(labels, -scores)).standard_error > 0  # all pairs would take 15 GB


def leave_one_out(y, score):
    """(n - 1) (r - r without each subject), what an influence function of r is the limit of."""
    without = [pearsonr(np.delete(y, i), np.delete(score, i))[0] for i in range(len(y))]
    return (len(y) - 1) * (pearsonr(y, score)[0] - np.array(without))


def test_the_influence_on_r_is_that_of_leaving_a_subject_out():
    rng = np.random.default_rng(5)
    y = rng.normal(150, 30, 400)
    scores = 0.02 * y + rng.normal(size=(2, 400))
    y[::7] = np.nan
    known = ~np.isnan(y)
    size = known.sum()
    values, influence = pearson_influence(y, scores)
    np.testing.assert_array_equal(influence[:, ~known], 0)
    for value, row, score in zip(values, influence, scores, strict=True):
        assert value == pytest.approx(pearsonr(y[known], score[known])[0])
        jackknife = leave_one_out(y[known], score[known])
        np.testing.assert_allclose(row[known] * np.sqrt(size * (size - 1)), jackknife, rtol=0.03, atol=0.02)
        assert row @ row == pytest.approx(jackknife.var() / size, rel=0.02)


def test_the_error_of_r_is_that_of_normal_values():
    rng = np.random.default_rng(6)
    y, noise = rng.normal(size=(2, 20_000))
    (r,), (influence,) = pearson_influence(y, (y + noise)[None])
    assert np.sqrt(influence @ influence) == pytest.approx((1 - r**2) / np.sqrt(20_000), rel=0.03)


def test_a_constant_or_too_few_values_have_no_r_and_no_influence():
    for y, scores in ((np.ones(9), np.arange(9.0)), (np.arange(9.0), np.ones(9)), (np.full(9, np.nan), np.arange(9.0))):
        values, influence = pearson_influence(y, scores[None])
        assert np.isnan(values).all() and not influence.any()
