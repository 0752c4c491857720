"""XGBoost's sweep: all trials in one process, on covariates that are sorted into bins once (paper §IV-D.1)."""

import math
import time
from collections.abc import Iterable, Sequence

import numpy as np

from cmr2ecg.sweeps.run import Fit
from cmr2ecg.sweeps.store import Outcome
from cmr2ecg.training.fit.boosting import Problem, fit_boosting, score

OF_THE_TREES = ("max_depth", "learning_rate", "subsample")  # the other axis, rounds, only says how many are used


def tree_outcomes(problems: Sequence[Problem], fits: Sequence[Fit], fixed: dict) -> Iterable[Outcome]:
    """Yield one outcome a fit: the mean over outputs of the validation score, as a training of one epoch.

    Fits that differ in `rounds` alone are one training: the shorter ones are its first trees, with the same predictions
    to the last bit. The paper's five numbers of rounds so cost 150 trees instead of 500.

    fixed: settings that are not swept.
    """
    groups: dict[tuple, list[Fit]] = {}
    for fit in fits:
        whole = {**fixed, **fit.settings}
        groups.setdefault((fit.seed, *(whole[name] for name in OF_THE_TREES)), []).append(fit)
    for group in groups.values():
        yield from _outcomes(problems, group, fixed)


def _outcomes(problems: Sequence[Problem], group: Sequence[Fit], fixed: dict) -> Iterable[Outcome]:
    started = time.monotonic()
    rounds = [{**fixed, **fit.settings}["rounds"] for fit in group]
    whole = {**fixed, **group[0].settings, "rounds": max(rounds)}
    scores = np.array([scores_at(problem, whole, rounds, group[0].seed) for problem in problems])
    seconds = (time.monotonic() - started) / len(group)
    for fit, value in zip(group, scores.mean(axis=0), strict=True):
        known = math.isfinite(value)
        failure = "" if known else "the validation score is not defined"
        yield Outcome(fit.trial, fit.seed, [float(value) if known else None], seconds, True, failure)


def scores_at(problem: Problem, settings: dict, rounds: Sequence[int], seed: int) -> list[float]:
    """Return the validation score of one output after each number of rounds, from one training."""
    booster = fit_boosting(problem, settings, seed=seed)
    return [
        score(problem.val_values, problem.predict_val(booster, (0, wanted)), problem.regression) for wanted in rounds
    ]
