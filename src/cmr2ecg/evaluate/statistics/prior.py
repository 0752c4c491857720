"""Risks and their odds, and the prior of a balanced training set put right; light to import, for `cmr2ecg predict`."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

TRAINED_PREVALENCE = 0.5  # of the balanced training sets (§IV-B)
SMALLEST = 1e-6  # risks are kept this far from 0 and 1 before their log odds are taken


def correct_prior(risk: NDArray, prevalence: float, trained: float = TRAINED_PREVALENCE) -> NDArray[np.float64]:
    """Return risks of a model trained at one prevalence as risks in a population with another.

    Bayes' rule: the odds are multiplied by the ratio of the prior odds (Saerens, Latinne and Decaestecker 2002, eq. 4).
    """
    ratio = prevalence / (1 - prevalence) * (1 - trained) / trained
    return ratio * risk / (ratio * risk + 1 - risk)


def log_odds(risk: NDArray) -> NDArray[np.float64]:
    """Return log(risk / (1 - risk)), finite also at 0 and 1."""
    return logit(np.clip(np.asarray(risk, np.float64), SMALLEST, 1 - SMALLEST))
