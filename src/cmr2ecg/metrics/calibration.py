"""Do predicted risks mean what they say? Smoothing undone, the prior put right; Brier score, slope and curve."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from cmr2ecg.metrics.prior import log_odds, population_risk
from cmr2ecg.metrics.scores import MODEL_COLUMNS, Scored
from cmr2ecg.metrics.seeds import std_over_seeds
from cmr2ecg.metrics.untrained import Training

MEASURES = ("auprc", "brier", "brier_of_prevalence", "slope", "intercept")

CALIBRATION_COLUMNS = [
    *MODEL_COLUMNS,
    "prevalence",
    "label_smoothing",
    *MEASURES,
    *(f"{name}_std" for name in MEASURES),
]
CURVE_COLUMNS = [*MODEL_COLUMNS, "bin", "predicted", "observed", "n"]


@dataclass(frozen=True)
class Calibration:
    """MEASURES in their order; slope and intercept of the log odds are 1 and 0 if well calibrated."""

    auprc: float
    brier: float
    brier_of_prevalence: float
    slope: float
    intercept: float


def calibrate(
    models: Sequence[Scored], prevalence: float, bins: int, trainings: Mapping[tuple, Training]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return CALIBRATION_COLUMNS, mean and std over seeds a model, and CURVE_COLUMNS of the risk averaged over seeds.

    Args:
        models: of one disease.
        prevalence: share with the disease in the population, by which the prior of the balanced training set is put
            right; estimated on the train split. A disease nobody or everybody has there leaves nothing to correct: NaN.
        bins: of the curve.
        trainings: (fit, encoder, target, fraction) -> label smoothing and prevalence of the training.
    """
    rows, curves = [], []
    for model in models:
        entry = model.first
        training = trainings[entry.model]
        smoothed = training.label_smoothing
        risk = population_risk(entry.scores, prevalence, smoothed, training.trained_prevalence)
        by_seed = zip(entry.scores, risk, strict=True)
        values = np.array([astuple(calibration(entry.y_true, *seed, prevalence)) for seed in by_seed])
        rows.append((*entry.model, prevalence, smoothed, *values.mean(axis=0), *std_over_seeds(values)))
        curve = calibration_curve(entry.y_true, risk.mean(axis=0), bins)
        curves += [(*entry.model, index, *values) for index, values in enumerate(curve.to_numpy().tolist())]
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS), pd.DataFrame(curves, columns=CURVE_COLUMNS)


def calibration(y_true: NDArray, scores: NDArray, risk: NDArray, prevalence: float) -> Calibration:
    """Judge the risks of one model and seed; all NaN unless both classes are there.

    Args:
        y_true: (n,) labels.
        scores: (n,) outputs of the network, which rank the subjects: risks may be tied where smoothing was undone.
        risk: (n,) the same in the population.
        prevalence: of the population, for the Brier score of telling everybody that number.
    """
    if len(np.unique(y_true)) < 2:
        return Calibration(*[float("nan")] * 5)
    slope, intercept = logistic_recalibration(y_true, risk)
    return Calibration(
        auprc=float(average_precision_score(y_true, scores)),
        brier=float(np.mean((risk - y_true) ** 2)),
        brier_of_prevalence=float(np.mean((prevalence - y_true) ** 2)),
        slope=slope,
        intercept=intercept,
    )


def logistic_recalibration(y_true: NDArray, risk: NDArray) -> tuple[float, float]:
    """Return the slope of y_true on the log odds of the risk (logistic, Cox 1958), and the intercept at slope 1.

    The intercept ("calibration in the large") is above 0 where risks are too low on average. The slope is NaN if the
    risk is constant or separates the classes, for then no finite one exists.
    """
    odds, positive = log_odds(risk), y_true == 1
    intercept = brentq(lambda shift: expit(odds + shift).sum() - positive.sum(), -60, 60)
    low, high = odds[positive], odds[~positive]
    if np.ptp(odds) == 0 or low.min() >= high.max() or high.min() >= low.max():
        return float("nan"), intercept
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(odds[:, None], positive)
    return float(model.coef_[0, 0]), intercept


def calibration_curve(y_true: NDArray, risk: NDArray, bins: int) -> pd.DataFrame:
    """Return mean predicted and observed risk, and n, of `bins` equally large groups of rising risk."""
    groups = np.array_split(np.argsort(risk, kind="stable"), min(bins, len(risk)))
    rows = [{"predicted": risk[g].mean(), "observed": y_true[g].mean(), "n": len(g)} for g in groups]
    return pd.DataFrame(rows, columns=["predicted", "observed", "n"])
