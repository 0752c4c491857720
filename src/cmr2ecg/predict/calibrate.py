"""Turn the seeds' outputs into risks and intervals; everything here is fitted on the validation split.

Risk. A network is trained on equal numbers of cases and controls, with smoothed labels. The smoothing of its
probability is undone and it is adjusted to the prevalence of the train split (Bayes' rule), as in the step evaluate,
averaged over the seeds, and then recalibrated: a logistic regression of the validation labels on the log odds
(Cox 1958), with a prior that shrinks the slope towards 1.

Interval. Of n absolute validation errors of the seed mean the ceil((n + 1) c)-th smallest is the half width: split
conformal prediction, which covers a share c of new subjects from the same population on average. The same split was
used for early stopping, so it is slightly optimistic.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cmr2ecg.metrics.prior import TRAINED_PREVALENCE, correct_prior, log_odds, population_risk
from cmr2ecg.metrics.seeds import std_over_seeds
from cmr2ecg.runtime.command import InputError

PRECISE = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}


def fit_risk(
    y_true: NDArray, risks: NDArray, prevalence: float, smoothing: float = 0.0, trained: float = TRAINED_PREVALENCE
) -> dict[str, Any]:
    """Return prevalence, label smoothing, slope, intercept and the numbers of subjects used.

    Args:
        y_true: (n,) labels of the validation split.
        risks: (seeds, n) probabilities of the networks there.
        prevalence: of the train split.
        smoothing: of the labels in the training.
        trained: prevalence in the training set.
    """
    mean = population_risk(risks, prevalence, smoothing, trained).mean(axis=0)
    slope, intercept = recalibration(y_true == 1, log_odds(mean))
    counts = {"n_val": len(y_true), "n_val_positive": int(y_true.sum())}
    return {
        "prevalence": prevalence,
        "trained_prevalence": trained,
        "label_smoothing": smoothing,
        "slope": slope,
        "intercept": intercept,
    } | counts


def recalibration(sick: NDArray, odds: NDArray) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of `sick` (n,) on log odds (n,), with a slope shrunk to 1.

    The slope has a normal prior of mean 1 and standard deviation 1, so that few subjects, or almost constant
    risks, cannot make it huge. A slope of 0 or less, which would reverse the order, is replaced by 1.
    """

    from scipy.optimize import minimize  # here, since predictions do not need it

    def cost(parameters: NDArray, slope: float | None = None) -> float:
        slope, intercept = (parameters[0] if slope is None else slope), parameters[-1]
        eta = slope * odds + intercept
        return float(np.logaddexp(0, np.where(sick, -eta, eta)).sum() + (slope - 1) ** 2 / 2)

    slope, intercept = minimize(cost, [1.0, 0.0], method="Nelder-Mead", options=PRECISE).x
    if slope <= 0:
        slope, intercept = 1.0, minimize(lambda p: cost(p, 1.0), [0.0], method="Nelder-Mead", options=PRECISE).x[0]
    return float(slope), float(intercept)


def risk_of(risks: NDArray, about: Mapping[str, Any], prevalence: float | None = None) -> tuple[NDArray, NDArray]:
    """Return the calibrated risk (n,) and the standard deviation (n,) of the seeds', NaN for a single one.

    Args:
        risks: (seeds, n) probabilities of the networks.
        about: what `fit_risk` returned; without label_smoothing, as in releases of format 1, none is undone.
        prevalence: of the target population; None: the release's.
    """
    smoothing = about.get("label_smoothing", 0.0)
    corrected = population_risk(risks, about["prevalence"], smoothing, about["trained_prevalence"])

    def recalibrated(risk: NDArray) -> NDArray:
        risk = expit(about["slope"] * log_odds(risk) + about["intercept"])
        return risk if prevalence is None else correct_prior(risk, prevalence, about["prevalence"])

    return recalibrated(corrected.mean(axis=0)), std_over_seeds(recalibrated(corrected))


def fit_interval(y_true: NDArray, values: NDArray, coverage: float) -> dict[str, Any]:
    """Return half_width and n_val of one phenotype.

    Args:
        y_true: (n,) of the validation split, NaN where absent.
        values: (seeds, n) predictions there.
        coverage: share of subjects the interval should cover.

    With too few subjects for that coverage the largest error is used, and `coverage` is its actual value,
    n / (n + 1).
    """
    there = np.isfinite(y_true)
    errors = np.sort(np.abs(values.mean(axis=0)[there] - y_true[there]))
    n = len(errors)
    rank = math.ceil((n + 1) * coverage - 1e-9)
    reached = coverage if rank <= n else n / (n + 1)
    return {"half_width": float(errors[min(rank, n) - 1]), "n_val": n, "coverage": reached}


def check_prevalences(wanted: Sequence[str], diseases: Sequence[str]) -> dict[str, float]:
    """Return {disease: prevalence} of texts such as cad=0.07.

    Raises:
        InputError: for another text, a disease the release lacks, or a number outside 0 to 1, or one given twice.
    """
    found = {}
    for text in wanted:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if name not in diseases:
            raise InputError(f"--prevalence {text}: the release has {', '.join(diseases) or 'no disease'}")
        if name in found:
            raise InputError(f"--prevalence {text}: {name} is given twice")
        if not 0 < value < 1:
            raise InputError(f"--prevalence {text}: expected a share between 0 and 1, as in {name}=0.07")
        found[name] = value
    return found
