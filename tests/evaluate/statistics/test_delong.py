"""DeLong's test against its definition, pair by pair, and against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from cmr2ecg.evaluate.statistics.auroc import auroc
from cmr2ecg.evaluate.statistics.delong import delong_test, mean_shares


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
def test_it_is_what_the_definition_says_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(45) < 0.4).astype(float)
    a, b = (np.round(rng.normal(size=45) + shift * labels, 1) for shift in (1.0, 0.5))
    ours = delong_test(labels, a[None], b[None])
    assert (ours.difference, ours.standard_error, ours.p_value) == pytest.approx(by_definition(labels, a, b), rel=1e-10)


def test_shares_average_to_the_auroc():
    rng = np.random.default_rng(1)
    labels, scores = rng.random(80) < 0.3, np.round(rng.normal(size=(3, 80)), 1)
    expected = np.mean([auroc(labels, score) for score in scores])
    assert [shares.mean() for shares in mean_shares(labels, scores)] == pytest.approx([expected, expected])


def test_a_mean_over_equal_seeds_is_one_seed():
    rng = np.random.default_rng(2)
    labels, a, b = rng.random(60) < 0.5, rng.normal(size=60), rng.normal(size=60)
    assert delong_test(labels, np.stack([a, a, a]), b[None]) == delong_test(labels, a[None], b[None])


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_swapping_the_models_swaps_the_sign_and_a_rising_map_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    labels, a, b = rng.permutation(np.arange(30) % 2), rng.normal(size=(2, 30)), rng.normal(size=(1, 30))
    one, other = delong_test(labels, a, b), delong_test(labels, b, np.exp(a))
    assert one.difference == pytest.approx(-other.difference)
    assert (one.standard_error, one.p_value) == pytest.approx((other.standard_error, other.p_value))


def test_p_is_uniform_where_the_models_are_equally_good():
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], [90, 60])
    p_values = []
    for _ in range(300):
        signal = rng.normal(size=150) + labels
        p_values.append(
            delong_test(labels, (signal + rng.normal(size=150))[None], (signal + rng.normal(size=150))[None]).p_value
        )
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_too_few_subjects_and_equal_models():
    assert np.isnan(delong_test(np.array([1, 0, 0]), np.ones((1, 3)), np.ones((1, 3))).p_value)
    labels, scores = np.arange(10) % 2, np.arange(10.0)[None]
    same = delong_test(labels, scores, 2 * scores)
    assert (same.difference, same.standard_error, same.p_value) == (0.0, 0.0, 1.0)
    assert delong_test(labels, labels[None] * 1.0, -labels[None] * 1.0).p_value == 0.0


def test_it_is_fast_for_a_whole_biobank():
    rng = np.random.default_rng(4)
    labels, scores = rng.random(200_000) < 0.05, rng.normal(size=(1, 200_000))
    assert delong_test(labels, scores, -scores).standard_error > 0  # a matrix of pairs would take 15 GB
