"""A sweep's trials as fine-tunings: rounds that go on as if they had never stopped, and failures that say why."""

import numpy as np
import pytest
from finetune_setups import SETTINGS, fold, setup_of

from cmr2ecg.study.sweep_grid import combinations, trial_id
from cmr2ecg.sweeps.networks import finite, network_outcomes
from cmr2ecg.sweeps.ranking import Result, best_of, rank
from cmr2ecg.sweeps.run import fits_of

AXES = {"base_lr": [1e-6, 3e-3], "batch_size": [8, 12]}
FIXED = {key: value for key, value in SETTINGS.items() if key not in (*AXES, "seeds", "keep_checkpoints")}


@pytest.fixture
def setup(small_dataset, small_models):
    return setup_of(small_models, fold(small_dataset, 0, 24), fold(small_dataset, 24, 12))


@pytest.fixture
def outcomes(setup, tmp_path):
    def run(stop, folder="states", cache_key="now", axes=AXES, **changed):
        fits = fits_of(combinations(axes), [0])
        kept = {"states": tmp_path / folder, "cache_key": cache_key}
        return {o.trial: o for o in network_outcomes(setup, {**FIXED, **changed}, fits, stop, **kept)}

    return run


def test_a_trial_that_goes_on_equals_one_that_never_stopped(outcomes, tmp_path):
    first, whole = outcomes(2), outcomes(4, "others")
    assert not any(o.whole for o in first.values()) and len(list((tmp_path / "states").iterdir())) == 4
    resumed = outcomes(4)
    for name in whole:
        assert first[name].scores == whole[name].scores[:2]
        assert resumed[name].scores == whole[name].scores and resumed[name].whole
        assert resumed[name].seconds > first[name].seconds


def test_a_resume_point_of_other_data_or_code_is_not_taken_up(outcomes):
    outcomes(2, cache_key="before")
    assert outcomes(4)[trial_id({"base_lr": 3e-3, "batch_size": 8})].scores == (
        outcomes(4, "fresh")[trial_id({"base_lr": 3e-3, "batch_size": 8})].scores
    )


def test_the_scores_are_the_validation_scores_of_a_final_training(outcomes, setup):
    from cmr2ecg.training.fit.finetune import Fit

    settings = {"base_lr": 3e-3, "batch_size": 8}
    fit = Fit(setup, {**SETTINGS, **settings}, 0).advance()
    outcome = outcomes(4)[trial_id(settings)]
    assert outcome.scores == [row["val_auroc"] for row in fit.history]
    assert best_of(outcome.scores) == (fit.best_score, fit.best_epoch)


def test_the_sweep_tells_a_useful_learning_rate_from_a_useless_one(outcomes):
    axes = {"base_lr": [1e-7, 1e-2]}
    settings = {trial_id(trial): trial for trial in combinations(axes)}
    found = outcomes(25, axes=axes, epochs=25, batch_size=8)
    ranking = rank([Result(settings[name], outcome) for name, outcome in found.items()])
    assert ranking[0].settings == {"base_lr": 1e-2} and ranking[0].score > ranking[1].score


def test_a_trial_that_stops_early_is_whole(outcomes, tmp_path):
    found = outcomes(4, axes={"base_lr": [1e-9]}, patience=1, batch_size=8)
    (outcome,) = found.values()
    assert outcome.whole and len(outcome.scores) < 4 and not (tmp_path / "states").exists()


def test_a_trial_that_diverges_is_a_failure_with_its_reason(outcomes):
    found = outcomes(4, axes={"base_lr": [1e-3, 1e30]}, batch_size=8)
    reasons = {o.failure for o in found.values()}
    assert "" in reasons and len(reasons) == 2
    diverged = next(o for o in found.values() if o.failure)
    assert diverged.whole and diverged.scores == [] and "epoch" in diverged.failure


def test_scores_that_json_has_no_word_for():
    assert finite(float("nan")) is None and finite(np.float64(0.5)) == 0.5
