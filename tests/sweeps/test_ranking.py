"""The choice: best epoch, mean over seeds, ties, failures, later rounds before earlier ones."""

import json

import pytest

from cmr2ecg.runtime.command import InputError
from cmr2ecg.sweeps.ranking import (
    Result,
    best_of,
    choice_of,
    curve_table,
    promoted,
    rank,
    rank_rungs,
    total_seconds,
    trial_table,
)
from cmr2ecg.sweeps.store import Outcome
from cmr2ecg.training.fit.choice import apply_choice, tuned_trials


def result(trial, scores, seed=0, failure="", lr=1e-3):
    return Result({"base_lr": lr}, Outcome(trial, seed, scores, 1.0, False, failure))


def test_best_epoch():
    assert best_of([0.5, 0.9, None, 0.9]) == (0.9, 1)
    assert best_of([None, float("nan")]) == best_of([]) == (None, None)
    assert best_of([-0.2, -0.1]) == (-0.1, 1)


def test_trials_are_ranked_by_the_mean_of_their_seeds_best_scores():
    results = [result("a", [0.9, 0.1]), result("a", [0.5], 1), result("b", [0.6, 0.75]), result("b", [0.75], 1)]
    ranking = rank(results)
    assert [(entry.trial, entry.score) for entry in ranking] == [("b", 0.75), ("a", 0.7)]
    assert ranking[1].seeds == {0: 0.9, 1: 0.5} and ranking[0].best_epoch == {0: 1, 1: 0}


def test_the_order_of_the_results_does_not_matter_and_ties_go_by_name():
    results = [result("b", [0.7]), result("a", [0.7]), result("c", [0.8])]
    assert [entry.trial for entry in rank(results)] == [entry.trial for entry in rank(results[::-1])] == ["c", "a", "b"]


def test_a_seed_that_failed_takes_its_trial_out():
    results = [result("a", [0.9]), result("a", [], 1, "diverged"), result("b", [0.1]), result("b", [0.2], 1)]
    ranking = rank(results)
    assert [entry.trial for entry in ranking] == ["b", "a"]
    assert ranking[1].score is None and ranking[1].failure == "diverged"
    assert [settings for settings in promoted(results, 5)] == [{"base_lr": 1e-3}]


def test_a_later_round_goes_before_an_earlier_one_whatever_the_scores():
    first = [result("a", [0.9]), result("b", [0.8]), result("c", [0.7])]
    second = [result("a", [0.9, 0.6]), result("b", [0.8, 0.95])]
    assert [(entry.trial, entry.rung) for entry in rank_rungs([first, second])] == [("b", 1), ("a", 1), ("c", 0)]


def test_choice_names_the_next_best_and_their_seeds():
    results = [result(name, [score], lr=score) for name, score in (("a", 0.5), ("b", 0.9), ("c", 0.7), ("d", 0.6))]
    choice = choice_of(rank(results), 2)
    assert choice["settings"] == {"base_lr": 0.9} and choice["chosen"]["trial"] == "b"
    assert [entry["trial"] for entry in choice["runner_ups"]] == ["c", "d"]
    assert choice["chosen"]["seeds"] == {"0": 0.9} and choice["reason"] == ""


def test_without_a_score_nothing_is_chosen_and_the_reason_is_kept():
    choice = choice_of(rank([result("a", [], failure="cad has 0 positives")]), 5)
    assert choice == {"settings": {}, "chosen": None, "runner_ups": [], "reason": "cad has 0 positives"}


def test_tables():
    first = [result("a", [0.9], lr=1e-3), result("b", [0.8], lr=1e-2)]
    second = [result("b", [0.8, None], lr=1e-2)]
    trials = trial_table(rank_rungs([first, second]))
    assert trials["trial"].tolist() == ["b", "a"] and trials["rank"].tolist() == [1, 2]
    assert trials["base_lr"].tolist() == [1e-2, 1e-3] and trials["score_seed_0"].tolist() == [0.8, 0.9]
    curves = curve_table([first, second])
    assert curves["trial"].tolist() == ["a", "b", "b"] and curves["epoch"].tolist() == [0, 0, 1]
    assert total_seconds([{"seconds": {"a/0": 1.0}}, {"seconds": {"a/0": 3.0, "b/0": 1.5}}]) == {"a/0": 3.0, "b/0": 1.5}


def write(path, **changed):
    choice = {"encoder": "mmcl", "target": "cad", "settings": {"base_lr": 1e-5}, "trials": 16} | changed
    path.write_text(json.dumps(choice))
    return path


def test_a_choice_replaces_settings_and_only_those_it_names(tmp_path):
    own = {"base_lr": 1e-3, "epochs": 400}
    path = write(tmp_path / "choice.json")
    assert apply_choice(own, path, "mmcl", "cad") == {"base_lr": 1e-5, "epochs": 400}
    assert apply_choice(own, None, "mmcl", "cad") == own
    assert apply_choice(own, write(path, settings={}), "mmcl", "cad") == own
    assert tuned_trials(path) == 16 and tuned_trials(None) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": "af"}, "is the choice for mmcl/af, not for mmcl/cad"),
        ({"encoder": "mae"}, "is the choice for mae/cad"),
        ({"settings": {"momentum": 1}}, "holds settings that mmcl has not"),
        ({"settings": {"base_lr": "1e-3"}}, "holds settings that mmcl has not"),
        ({"settings": {"base_lr": float("nan")}}, "holds settings that mmcl has not"),
        ({"settings": None}, "not a choice of the select step"),
    ],
)
def test_a_foreign_choice_is_refused(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        apply_choice({"base_lr": 1e-3}, write(tmp_path / "choice.json", **changed), "mmcl", "cad")


def test_a_broken_choice_is_refused(tmp_path):
    (tmp_path / "choice.json").write_text("{")
    with pytest.raises(InputError, match="not a choice of the select step"):
        apply_choice({}, tmp_path / "choice.json", "mmcl", "cad")
