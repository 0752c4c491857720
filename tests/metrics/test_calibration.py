"""Prior correction, Brier score, slope and intercept on risks whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.calibration import calibrate, calibration, calibration_curve, logistic_recalibration
from cmr2ecg.metrics.predictions import Predictions
from cmr2ecg.metrics.prior import CERTAIN, correct_prior, population_risk, smoothing_of, undo_smoothing
from cmr2ecg.metrics.scores import Scored
from cmr2ecg.metrics.untrained import Training


def risks(n=40_000, level=-2.0, seed=0):
    rng = np.random.default_rng(seed)
    odds = rng.normal(level, 1.0, n)
    return (rng.random(n) < expit(odds)).astype(float), expit(odds)


def test_a_correct_risk_has_slope_one_and_intercept_zero():
    labels, risk = risks()
    slope, intercept = logistic_recalibration(labels, risk)
    assert slope == pytest.approx(1, abs=0.06) and intercept == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_slope_undoes_too_bold_and_too_shy_risks(factor):
    labels, risk = risks()
    assert logistic_recalibration(labels, expit(factor * logit(risk)))[0] == pytest.approx(1 / factor, rel=0.06)


def test_the_intercept_tells_how_far_risks_are_too_low():
    labels, risk = risks()
    assert logistic_recalibration(labels, expit(logit(risk) - 0.7))[1] == pytest.approx(0.7, abs=0.05)


def test_a_model_trained_on_balanced_data_is_put_right():
    """Bayes' rule: with all positives and as many negatives, odds rise by (1 - prevalence) / prevalence."""
    labels, risk = risks()
    prevalence = labels.mean()
    balanced = expit(logit(risk) + logit(0.5) - logit(prevalence))
    np.testing.assert_allclose(correct_prior(balanced, prevalence), risk, rtol=1e-9)
    found = calibration(labels, balanced, correct_prior(balanced, prevalence), prevalence)
    assert found.brier < found.brier_of_prevalence < calibration(labels, balanced, balanced, prevalence).brier


def test_closed_forms():
    labels = np.array([0.0, 0, 1, 1])
    risk = np.array([0.1, 0.4, 0.35, 0.8])
    found = calibration(labels, risk, risk, 0.5)
    assert found.brier == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert found.brier_of_prevalence == pytest.approx(0.25)
    assert found.auprc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)  # scikit-learn's documented example
    np.testing.assert_allclose(correct_prior(np.array([0, 0.5, 1.0]), 0.2), [0, 0.2, 1])


def test_no_slope_where_none_exists():
    separated = logistic_recalibration(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.7, 0.8]))
    constant = logistic_recalibration(np.array([0.0, 0, 0, 1]), np.full(4, 0.5))
    assert np.isnan(separated[0]) and np.isnan(constant[0])
    assert constant[1] == pytest.approx(logit(0.25))
    assert np.isnan(calibration(np.zeros(4), np.full(4, 0.5), np.full(4, 0.5), 0.1).brier)


def test_the_curve_lies_on_the_diagonal_for_correct_risks():
    curve = calibration_curve(*risks(), bins=10)
    assert len(curve) == 10 and curve["n"].sum() == 40_000
    np.testing.assert_allclose(curve["predicted"], curve["observed"], atol=0.025)
    assert curve["predicted"].is_monotonic_increasing


def smooth(p, smoothing):
    """Return what a perfect network says that was trained with label smoothing: (1 - e) p + e / 2."""
    return (1 - smoothing) * p + smoothing / 2


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.2, 0.4])
def test_a_perfect_network_has_slope_one_whatever_its_label_smoothing(smoothing):
    labels, risk = risks(200_000)
    prevalence = risk.mean()
    said = smooth(expit(logit(risk) - logit(prevalence)), smoothing)  # trained on balanced data
    slope, intercept = logistic_recalibration(labels, population_risk(said, prevalence, smoothing))
    assert slope == pytest.approx(1, abs=0.02) and intercept == pytest.approx(0, abs=0.02)
    if smoothing:
        assert logistic_recalibration(labels, correct_prior(said, prevalence))[0] > 1.1  # what was wrong before


SHARES = st.floats(0, 1, allow_nan=False)
SMOOTHING = st.floats(0, 0.9)


@given(SHARES, SMOOTHING)
def test_undoing_is_the_inverse_of_smoothing(p, smoothing):
    wanted = np.clip(p, CERTAIN, 1 - CERTAIN) if smoothing else p
    assert undo_smoothing(smooth(p, smoothing), smoothing) == pytest.approx(wanted, abs=1e-12)


@given(st.lists(SHARES, min_size=2, max_size=20), SMOOTHING)
def test_undoing_keeps_order_and_bounds(said, smoothing):
    said = np.sort(said)
    found = undo_smoothing(said, smoothing)
    assert (np.diff(found) >= 0).all() and found.min() >= 0 and found.max() <= 1
    if smoothing:
        assert found.min() >= CERTAIN and found.max() <= 1 - CERTAIN and np.isfinite(logit(found)).all()
    np.testing.assert_allclose(found + undo_smoothing(1 - said, smoothing), 1, atol=1e-9)  # no class is preferred


def scored(labels, scores):
    model = ("finetune", "mmcl", "cad", 100)
    n = len(labels)
    return Scored([Predictions(None, *model, "test", "cad", np.arange(n), labels, np.array([0]), scores[None])])


def test_ties_at_the_bounds_touch_no_ranking():
    """Outputs beyond what smoothing allows are tied as risks; AUROC and AUPRC come from the outputs themselves."""
    labels, risk = risks(5_000, level=0.0)
    model = scored(labels, risk)
    trained = [Training(n_train=5_000, label_smoothing=e) for e in (0.0, 0.6)]
    plain, undone = (calibrate([model], 0.3, 5, {model.first.model: one})[0].iloc[0] for one in trained)
    assert len(np.unique(undo_smoothing(risk, 0.6))) < len(np.unique(risk))
    assert undone["auprc"] == plain["auprc"] and undone["slope"] < plain["slope"]
    assert undone["label_smoothing"] == 0.6 and plain["label_smoothing"] == 0
    assert model.by_seed[0] == auroc(labels, risk)


def test_the_smoothing_is_that_of_the_fits_own_settings():
    assert smoothing_of({"settings": {"method": {"label_smoothing": 0.1}}}) == 0.1
    for other in ({}, {"settings": {"epochs": 3}}, {"settings": {"method": {"penalties": [1.0]}}}):
        assert smoothing_of(other) == 0
