"""The bootstrap: each draw exact, intervals cover, differences are paired, Holm's correction, degenerate input."""

import numpy as np
import pytest
from scipy.stats import norm

from cmr2ecg.evaluate.statistics import bootstrap
from cmr2ecg.evaluate.statistics.auroc import auroc
from cmr2ecg.evaluate.statistics.bootstrap import compare, holm, interval, over_seeds, resample, resampled_auroc


def cohort(rng, n=60, shift=1.0, seeds=3):
    labels = (rng.random(n) < 0.3).astype(float)
    signal = rng.normal(size=n) + shift * labels
    return labels, np.round(signal + rng.normal(0, 0.2, (seeds, n)), 1)


@pytest.mark.parametrize("pairs_at_once", [4_000_000, 7])
def test_each_draw_is_the_auroc_of_the_repeated_subjects(monkeypatch, pairs_at_once):
    monkeypatch.setattr(bootstrap, "PAIRS", pairs_at_once)
    labels, scores = cohort(np.random.default_rng(0))
    counts = resample(len(labels), 20, seed=1)
    expected = []
    for row in counts.astype(int):
        drawn = np.repeat(np.arange(len(labels)), row)
        expected.append([auroc(labels[drawn], score[drawn]) for score in scores])
    np.testing.assert_allclose(resampled_auroc(labels, scores, counts), expected, atol=1e-12)


def test_resamples_are_seeded_and_draw_every_subject_once_on_average():
    counts = resample(50, 400, seed=3)
    np.testing.assert_array_equal(counts.sum(axis=1), 50)
    np.testing.assert_array_equal(counts, resample(50, 400, seed=3))
    assert abs(counts.mean(axis=0) - 1).max() < 0.25  # 5 standard errors
    assert counts.var() == pytest.approx(1 - 1 / 50, abs=0.05)  # of a binomial


def test_seeds_are_drawn_too_and_a_single_one_stays():
    values = np.tile([1.0, 2, 3, 4, 5], (20_000, 1))
    means = over_seeds(values, seed=0)
    assert means.mean() == pytest.approx(3, abs=0.03)
    assert means.std() == pytest.approx(np.sqrt(2 / 5), rel=0.03)  # of the mean of five draws from 1..5
    np.testing.assert_array_equal(over_seeds(values[:, :1], seed=0), values[:, 0])


def test_the_interval_covers_the_true_auroc_about_as_often_as_it_says():
    truth = norm.cdf(1 / np.sqrt(2))
    covered = 0
    for repeat in range(150):
        rng = np.random.default_rng(repeat)
        labels = np.repeat([0.0, 1.0], [120, 40])
        scores = (rng.normal(size=160) + labels)[None]
        low, high = interval(over_seeds(resampled_auroc(labels, scores, resample(160, 200, seed=repeat)), repeat))
        covered += low <= truth <= high
    assert 0.88 <= covered / 150 <= 0.99


def test_the_interval_of_a_paired_difference_covers_zero_about_as_often_as_it_says():
    covered, rejected = 0, 0
    for repeat in range(150):
        rng = np.random.default_rng(repeat)
        labels = np.repeat([0.0, 1.0], [100, 40])
        signal = rng.normal(size=140) + labels
        counts = resample(140, 200, seed=repeat)
        a, b = (resampled_auroc(labels, (signal + rng.normal(size=140))[None], counts)[:, 0] for _ in range(2))
        found = compare(0.0, 0.0, a, b)
        covered += found.low <= 0 <= found.high
        rejected += found.p_value < 0.05
    assert 0.88 <= covered / 150 <= 0.99
    assert rejected / 150 < 0.12


def test_a_difference_is_paired_so_that_a_model_equals_itself():
    draws = np.random.default_rng(0).normal(size=500)
    same = compare(0.7, 0.7, draws, draws)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    ahead = compare(0.8, 0.7, draws + 0.1, draws)
    assert (ahead.low, ahead.high) == pytest.approx((0.1, 0.1)) and ahead.p_value == 1 / 500
    behind = compare(0.7, 0.8, draws, draws + 0.1)
    assert behind.difference == pytest.approx(-ahead.difference) and behind.p_value == ahead.p_value


def test_holm_is_the_published_step_down():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, np.nan, 0.6])), [1, np.nan, 1])
    assert holm(np.array([])).size == 0


def test_draws_of_one_class_are_left_out():
    labels, scores = np.array([1.0, 0, 0, 0]), np.array([[3.0, 0, 1, 2]])
    draws = resampled_auroc(labels, scores, resample(4, 100, seed=0))[:, 0]
    assert np.isnan(draws).any() and interval(draws) == (1.0, 1.0)
    assert np.isnan(interval(resampled_auroc(np.zeros(4), np.ones((2, 4)), resample(4, 10, seed=0))[:, 0])).all()
