"""The bootstrap of the AUROC: each draw exact, the interval covers, degenerate input gives NaN."""

import numpy as np
import pytest
from scipy.stats import norm

from cmr2ecg.evaluate import bootstrap
from cmr2ecg.evaluate.auroc import auroc
from cmr2ecg.evaluate.bootstrap import bootstrap_interval, resample, resampled_auroc


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
        expected.append(np.mean([auroc(labels[drawn], score[drawn]) for score in scores]))
    np.testing.assert_allclose(resampled_auroc(labels, scores, counts), expected, atol=1e-12)


def test_resamples_are_seeded_and_draw_every_subject_once_on_average():
    counts = resample(50, 400, seed=3)
    np.testing.assert_array_equal(counts.sum(axis=1), 50)
    np.testing.assert_array_equal(counts, resample(50, 400, seed=3))
    assert abs(counts.mean(axis=0) - 1).max() < 0.25  # 5 standard errors
    assert counts.var() == pytest.approx(1 - 1 / 50, abs=0.05)  # of a binomial


def test_interval_covers_the_true_auroc_about_as_often_as_it_says():
    truth = norm.cdf(1 / np.sqrt(2))
    covered = 0
    for repeat in range(150):
        rng = np.random.default_rng(repeat)
        labels = np.repeat([0.0, 1.0], [120, 40])
        low, high = bootstrap_interval(labels, (rng.normal(size=160) + labels)[None], 200, seed=repeat)
        covered += low <= truth <= high
    assert 0.88 <= covered / 150 <= 0.99


def test_draws_of_one_class_are_left_out():
    labels = np.array([1.0, 0, 0, 0])
    low, high = bootstrap_interval(labels, np.array([[3.0, 0, 1, 2]]), 100, seed=0)
    assert (low, high) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval(np.zeros(4), np.ones((2, 4)), 10, seed=0)).all()
