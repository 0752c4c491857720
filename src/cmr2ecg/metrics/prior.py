"""From what a network says to a risk in the population; light to import, for `cmr2ecg predict`.

Label smoothing is undone first, then the prior of the balanced training set is put right.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

TRAINED_PREVALENCE = 0.5  # of the balanced training sets (§IV-B)
SMALLEST = 1e-6  # risks are kept this far from 0 and 1 before their log odds are taken
# An output beyond those that smoothing allows is noise of the network, and says "certain" at most. Nearer to 0 and 1 a
# few such subjects would decide the calibration slope, farther away risks would be cut that thousands can teach.
CERTAIN = 1e-3


def population_risk(
    scores: NDArray, prevalence: float, smoothing: float = 0.0, trained: float = TRAINED_PREVALENCE
) -> NDArray[np.float64]:
    """Return the outputs of a network, trained at one prevalence with label smoothing, as risks at another."""
    return correct_prior(undo_smoothing(scores, smoothing), prevalence, trained)


def undo_smoothing(scores: NDArray, smoothing: float) -> NDArray[np.float64]:
    """Return the probabilities p of which a network trained with label smoothing e says (1 - e) p + e / 2.

    Cross-entropy against smoothed labels of two classes (Szegedy et al. 2016) is lowest at that mixture with one half,
    so that even a perfect network says too little. Outputs outside [e / 2, 1 - e / 2] belong to no p; all results are
    kept CERTAIN away from 0 and 1. Without smoothing the scores are returned as they are.

    Args:
        scores: any shape, in [0, 1].
        smoothing: e, in [0, 1), as torch's cross_entropy takes it.
    """
    scores = np.asarray(scores, np.float64)
    return np.clip((scores - smoothing / 2) / (1 - smoothing), CERTAIN, 1 - CERTAIN) if smoothing else scores


def correct_prior(risk: NDArray, prevalence: float, trained: float = TRAINED_PREVALENCE) -> NDArray[np.float64]:
    """Return risks of a model trained at one prevalence as risks in a population with another.

    Bayes' rule: the odds are multiplied by the ratio of the prior odds (Saerens, Latinne and Decaestecker 2002, eq. 4).
    """
    ratio = prevalence / (1 - prevalence) * (1 - trained) / trained
    return ratio * risk / (ratio * risk + 1 - risk)


def smoothing_of(result: Mapping[str, Any]) -> float:
    """Return the label smoothing of a fit by its result.json, a sweep's choice included; probes and trees have none."""
    return float(result.get("settings", {}).get("method", {}).get("label_smoothing", 0.0))


def trained_prevalence_of(result: Mapping[str, Any]) -> float:
    """Return the prevalence in the training set by a fit's result.json; without it, that of a balanced set."""
    return float(result.get("trained_prevalence", TRAINED_PREVALENCE))


def log_odds(risk: NDArray) -> NDArray[np.float64]:
    """Return log(risk / (1 - risk)), finite also at 0 and 1."""
    return logit(np.clip(np.asarray(risk, np.float64), SMALLEST, 1 - SMALLEST))
