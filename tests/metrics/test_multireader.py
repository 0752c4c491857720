"""The multi-reader analysis: its formulas, its symmetries, and the coverage of its intervals by simulation."""

import numpy as np
import pytest
from scipy.stats import norm, t

from cmr2ecg.metrics.influence import auroc_influence, pearson_influence
from cmr2ecg.metrics.multireader import Estimate, Readers, difference, mean


def model(rng, labels, runs=4, skill=1.0, names=None):
    signal = rng.normal(size=len(labels)) + skill * labels
    return Readers(names or range(runs), *auroc_influence(labels, signal + rng.normal(size=(runs, len(labels)))))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    labels = (rng.random(120) < 0.3).astype(float)
    return model(rng, labels), model(rng, labels, skill=0.5)


def numbers(estimate):
    return estimate.value, estimate.standard_error, estimate.df


def test_it_is_the_published_analysis_of_two_tests(pair):
    """Hillis 2007, equations 6, 7 and 14, written out with mean squares and covariances."""
    values = np.stack([model.values for model in pair])
    stacked = np.concatenate([model.influence for model in pair])
    covariance = (stacked @ stacked.T).reshape(2, 4, 2, 4)
    apart = ~np.eye(4, dtype=bool)
    cov2 = np.mean([covariance[i, :, i, :][apart].mean() for i in range(2)])
    cov3 = covariance[0, :, 1, :][apart].mean()
    centred = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    ms_tr = (centred**2).sum() / 3
    denominator = ms_tr + max(4 * (cov2 - cov3), 0)
    expected = np.subtract(*values.mean(axis=1)), np.sqrt(2 / 4 * denominator), denominator**2 / (ms_tr**2 / 3)
    found = difference(*pair)
    assert numbers(found) == pytest.approx(expected)
    ratio = 4 * ((values.mean(axis=1) - values.mean()) ** 2).sum() / denominator  # F of the tests' mean square
    assert found.p_value() == pytest.approx(2 * t.sf(np.sqrt(ratio), expected[2]))
    low, high = found.interval()
    assert (low + high) / 2 == pytest.approx(expected[0]) and high - low == pytest.approx(
        2 * t.ppf(0.975, expected[2]) * expected[1]
    )


def test_a_single_model_is_the_published_analysis_too(pair):
    one = pair[0]
    covariance = one.influence @ one.influence.T
    ms_r, cov2 = one.values.var(ddof=1), covariance[~np.eye(4, dtype=bool)].mean()
    df = (ms_r + 4 * cov2) ** 2 / (ms_r**2 / 3)
    assert numbers(mean(one)) == pytest.approx((one.values.mean(), np.sqrt((ms_r + 4 * cov2) / 4), df))


def test_equal_readers_are_one_reader(pair):
    first = [Readers(["0"], one.values[:1], one.influence[:1]) for one in pair]
    many = [Readers(range(5), np.repeat(one.values, 5), np.repeat(one.influence, 5, axis=0)) for one in first]
    assert numbers(difference(*many))[:2] == pytest.approx(numbers(difference(*first))[:2])
    assert difference(*first).df == np.inf
    value, error, df = numbers(mean(many[0]))
    assert (value, error) == pytest.approx(numbers(mean(first[0]))[:2]) and df > 1e9  # rounding leaves it finite


def test_relabelling_readers_changes_nothing_and_swapping_models_the_sign(pair):
    a, b = pair
    order = [2, 0, 3, 1]
    moved = [Readers(order, one.values[order], one.influence[order]) for one in pair]
    assert numbers(difference(*moved)) == pytest.approx(numbers(difference(a, b)))
    value, *others = numbers(difference(a, b))
    assert numbers(difference(b, a)) == pytest.approx((-value, *others))
    apart = Readers("wxyz", b.values, b.influence)
    value, *others = numbers(difference(a, apart))
    assert numbers(difference(apart, a)) == pytest.approx((-value, *others))


def test_unpaired_readers_add_what_they_differ_by(pair):
    a, b = pair
    apart = Readers("wxyz", b.values, b.influence)
    parts = [one.values.var(ddof=1) / 4 for one in pair]
    across = a.influence.mean(axis=0) @ b.influence.mean(axis=0)
    variance = sum(parts) + a.shared + b.shared - 2 * across
    found = difference(a, apart)
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    assert found.df == pytest.approx(variance**2 / sum(part**2 / 3 for part in parts))
    probe = Readers(["once"], b.values[:1], b.influence[:1])
    assert difference(a, probe).df == pytest.approx(difference(a, probe).standard_error ** 4 / (parts[0] ** 2 / 3))
    assert difference(a, a).p_value() == 1 and np.isnan(difference(a, a).interval()).all()


def test_blocks_are_readers_and_one_block_leaves_the_runs(pair):
    a = pair[0]
    assert a.grouped([5, 5, 5, 5]) is a
    blocks = a.grouped([1, 1, 1, 0])
    assert blocks.names == [0, 1]
    np.testing.assert_allclose(blocks.values, [a.values[3], a.values[:3].mean()])
    np.testing.assert_allclose(blocks.influence, [a.influence[3], a.influence[:3].mean(axis=0)])


def test_pooled_readers_are_these_runs_alone(pair):
    pooled = pair[0].pooled()
    assert (pooled.values, pooled.between) == (pytest.approx([pair[0].values.mean()]), (0.0, 0))


def test_intervals_stay_in_range_and_no_variance_is_no_interval():
    low, high = Estimate(0.97, 0.03, 4).interval("auroc")
    assert 0 < low < 0.97 < high < 1
    low, high = Estimate(-0.9, 0.1, 4).interval("r")
    assert -1 < low < -0.9 < high < 0
    assert np.isnan(Estimate(1.0, 0.0, np.inf).interval("auroc")).all()  # classes separated in full
    assert np.isnan(Estimate(1.0, 0.0, np.inf).p_value()) and np.isnan(Estimate(np.nan, np.nan, np.nan).p_value())


def test_p_against_a_margin_agrees_with_the_interval():
    estimate = Estimate(0.02, 0.01, 6)
    low, _ = estimate.interval()
    assert estimate.p_value(low) == pytest.approx(0.05)


RUNS, REPEATS = 5, 2000
EQUAL, SMALL, LARGE = 0.0, 0.06, 0.4  # sd of the positives' mean score over runs: 0, .012 and .08 in AUROC


@pytest.mark.parametrize("skill", [EQUAL, SMALL, LARGE])
@pytest.mark.parametrize("noise", [0.02, 0.4], ids=["agreeing", "disagreeing"])
def test_intervals_of_auroc_cover(noise, skill):
    """Binormal scores of variance 1; a share `noise` of it is a run's own, subject by subject. Nominal: 95 %."""
    rng = np.random.default_rng([int(100 * noise), int(100 * skill)])
    labels = np.repeat([1.0, 0.0], [60, 240])
    common, own = rng.normal(size=(REPEATS, 1, 1, 300)), rng.normal(size=(REPEATS, 2, 1, 300))
    separation = 1 + skill * rng.normal(size=(REPEATS, 2, RUNS, 1))
    scores = np.sqrt(0.3) * common + np.sqrt(0.7 - noise) * own + separation * labels
    scores += np.sqrt(noise) * rng.normal(size=(REPEATS, 2, RUNS, 300))
    truth = norm.cdf(1 / np.sqrt(2 + skill**2))  # AUROC in expectation over runs, of both models
    of_pair, of_one = coverage(*auroc_influence(labels, scores), truth, "auroc")
    assert min(of_pair, of_one) >= 0.93
    assert max(of_pair, of_one) <= 0.975


def coverage(values, influence, truth, metric):
    """Return how often the interval of a difference holds zero, and that of the first model the truth."""
    pairs, ones = [], []
    for value, each in zip(values, influence, strict=True):
        first, second = (Readers(range(RUNS), value[k], each[k]) for k in range(2))
        pairs.append(difference(first, second).interval())
        ones.append(mean(first).interval(metric))
    (low, high), (low_one, high_one) = np.transpose(pairs), np.transpose(ones)
    return np.mean((low <= 0) & (high >= 0)), np.mean((low_one <= truth) & (truth <= high_one))


@pytest.mark.parametrize("skill", [0.0, 0.2])
def test_intervals_of_r_cover(skill):
    rng = np.random.default_rng(int(10 * skill))
    y = rng.normal(size=(REPEATS, 150))
    slope = 1 + skill * rng.normal(size=(REPEATS, 2, RUNS, 1))
    scores = slope * y[:, None, None] + np.sqrt(0.6) * rng.normal(size=(REPEATS, 2, 1, 150))
    scores += np.sqrt(0.4) * rng.normal(size=(REPEATS, 2, RUNS, 150))
    slopes = 1 + skill * rng.normal(size=100_000)
    truth = (slopes / np.sqrt(slopes**2 + 1)).mean()
    found = [pearson_influence(*each) for each in zip(y, scores, strict=True)]
    of_pair, of_one = coverage(*zip(*found, strict=True), truth, "r")
    assert min(of_pair, of_one) >= 0.93
