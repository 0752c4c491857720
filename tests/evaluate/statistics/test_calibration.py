"""Prior correction, Brier score, slope and intercept on risks whose truth is known."""

import numpy as np
import pytest
from scipy.special import expit, logit

from cmr2ecg.evaluate.statistics.calibration import calibration, calibration_curve, logistic_recalibration
from cmr2ecg.evaluate.statistics.prior import correct_prior


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
    found = calibration(labels, correct_prior(balanced, prevalence), prevalence)
    assert found.brier < found.brier_of_prevalence < calibration(labels, balanced, prevalence).brier


def test_closed_forms():
    labels = np.array([0.0, 0, 1, 1])
    found = calibration(labels, np.array([0.1, 0.4, 0.35, 0.8]), 0.5)
    assert found.brier == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert found.brier_of_prevalence == pytest.approx(0.25)
    assert found.auprc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)  # scikit-learn's documented example
    np.testing.assert_allclose(correct_prior(np.array([0, 0.5, 1.0]), 0.2), [0, 0.2, 1])


def test_no_slope_where_none_exists():
    separated = logistic_recalibration(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.7, 0.8]))
    constant = logistic_recalibration(np.array([0.0, 0, 0, 1]), np.full(4, 0.5))
    assert np.isnan(separated[0]) and np.isnan(constant[0])
    assert constant[1] == pytest.approx(logit(0.25))
    assert np.isnan(calibration(np.zeros(4), np.full(4, 0.5), 0.1).brier)


def test_the_curve_lies_on_the_diagonal_for_correct_risks():
    curve = calibration_curve(*risks(), bins=10)
    assert len(curve) == 10 and curve["n"].sum() == 40_000
    np.testing.assert_allclose(curve["predicted"], curve["observed"], atol=0.025)
    assert curve["predicted"].is_monotonic_increasing
