"""XGBoost's sweep: five numbers of rounds from one training, and the same scores as one training each."""

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.study.sweep_grid import combinations, trial_id
from cmr2ecg.sweeps import trees
from cmr2ecg.sweeps.ranking import Result, rank
from cmr2ecg.sweeps.run import fits_of
from cmr2ecg.sweeps.trees import tree_outcomes
from cmr2ecg.training.fit.boosting import Problem, fit_boosting, score

TRIALS = combinations({"rounds": [3, 6, 9], "max_depth": [2, 4], "learning_rate": [0.3]})
FIXED = {"subsample": 0.75}


@pytest.fixture
def problems():
    rng = np.random.default_rng(0)
    train, val = (pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd")) for n in (200, 150))
    values = [(table["a"] + rng.normal(size=len(table))).to_numpy() for table in (train, val)]
    halves = [np.where(np.arange(len(column)) % 2, np.nan, column) for column in values]
    common = {"regression": True, "threads": 1}
    return [Problem.of(train, pair[0], val, pair[1], **common) for pair in (values, halves)]


def test_every_score_is_that_of_a_training_of_its_own(problems):
    for outcome, fit in zip(
        sorted(tree_outcomes(problems, fits_of(TRIALS, [3]), FIXED), key=lambda o: o.trial),
        sorted(fits_of(TRIALS, [3]), key=lambda f: f.trial),
        strict=True,
    ):
        whole = {**FIXED, **fit.settings}
        alone = [
            score(problem.val_values, problem.predict_val(fit_boosting(problem, whole, seed=3)), True)
            for problem in problems
        ]
        assert outcome.trial == fit.trial and outcome.whole and outcome.scores == [np.mean(alone)]


def test_numbers_of_rounds_share_one_training(problems, monkeypatch):
    calls = []

    def counted(problem, settings, *, seed):
        calls.append(settings["rounds"])
        return fit_boosting(problem, settings, seed=seed)

    monkeypatch.setattr(trees, "fit_boosting", counted)
    outcomes = list(tree_outcomes(problems, fits_of(TRIALS, [0, 1]), FIXED))
    assert len(outcomes) == 12 and calls == [9] * (2 * 2 * len(problems))


def test_the_grid_finds_depth_where_depth_is_needed():
    """The product of two signs cannot be told by trees of one split."""
    rng = np.random.default_rng(1)
    train, val = (pd.DataFrame(rng.normal(size=(600, 2)), columns=list("ab")) for _ in range(2))
    labels = [(np.sign(table["a"] * table["b"]) > 0).astype(float).to_numpy() for table in (train, val)]
    problem = Problem.of(train, labels[0], val, labels[1], regression=False, threads=1)
    trials = combinations({"rounds": [20], "max_depth": [1, 3], "learning_rate": [0.3], "subsample": [1.0]})
    settings = {trial_id(trial): trial for trial in trials}
    ranking = rank([Result(settings[o.trial], o) for o in tree_outcomes([problem], fits_of(trials, [0]), {})])
    assert ranking[0].settings["max_depth"] == 3 and ranking[0].score > ranking[1].score + 0.2
