"""Pearson's r with missing values, and partial correlation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from cmr2ecg.metrics.correlation import pearson
from cmr2ecg.metrics.influence import pearson_influence, residuals


def of_influence(y_true, y_score):
    return pearson_influence(y_true, y_score[None])[0][0]


@pytest.mark.parametrize("r", [pearson, of_influence])
@given(st.integers(0, 10**6), st.floats(0.1, 1e4), st.floats(-1e5, 1e5))
@settings(max_examples=50, deadline=None)
def test_it_is_scipys_r_of_the_known_values_in_any_unit(r, seed, scale, shift):
    rng = np.random.default_rng(seed)
    y, score = rng.normal(size=40), rng.normal(size=40)
    y[rng.random(40) < 0.3] = np.nan
    known = ~np.isnan(y)
    assert r(scale * y + shift, score) == pytest.approx(pearsonr(y[known], score[known])[0], abs=1e-8)


def test_all_runs_at_once_have_the_r_of_each():
    rng = np.random.default_rng(0)
    y, scores = rng.normal(size=30), rng.normal(size=(2, 3, 30))
    y[::4], scores[0, 1] = np.nan, 0.5
    found = pearson(y, scores)
    assert found.shape == (2, 3) and np.isnan(found).sum() == np.isnan(found[0, 1]) == 1
    np.testing.assert_allclose(found, [[pearson(y, run) for run in part] for part in scores], rtol=1e-14)


@pytest.mark.parametrize("r", [pearson, of_influence])
def test_a_constant_side_has_no_r(r):
    assert np.isnan(r(np.ones(9), np.arange(9.0)))
    assert np.isnan(r(np.arange(9.0), np.full(9, 1e6)))


def test_too_few_values_have_no_r_in_the_tables():
    assert np.isnan(of_influence(np.array([1.0, 2, np.nan, np.nan]), np.arange(4.0)))
    assert np.isnan(of_influence(np.full(4, np.nan), np.arange(4.0)))


def test_partial_correlation_is_the_textbook_formula():
    rng = np.random.default_rng(1)
    z = rng.normal(size=200)
    x, y = z + rng.normal(size=200), 2 * z + rng.normal(size=200)
    r = np.corrcoef([x, y, z])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert of_influence(residuals(x, z[:, None]), residuals(y, z[:, None])) == pytest.approx(expected)


def test_residuals_are_orthogonal_to_covariates_of_any_scale_also_to_a_constant_one():
    rng = np.random.default_rng(2)
    covariates = np.column_stack([rng.normal(1e6, 1, 60), rng.normal(0, 1e-6, 60), np.full(60, 7.0)])
    left = residuals(rng.normal(size=(3, 60)), covariates)
    assert np.abs(left.mean(axis=1)).max() < 1e-9
    for column in covariates.T[:2]:
        assert np.abs((left * (column - column.mean()) / column.std()).mean(axis=1)).max() < 1e-8
    assert left.std() > 0.5
