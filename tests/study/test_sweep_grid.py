"""Which trials a sweep consists of: the paper's numbers, names that last, random parts that nest, halving's rounds."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_settings import changed

from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.settings.sweeps import Sweep
from cmr2ecg.study.sweep_grid import (
    Rung,
    axes_of,
    combinations,
    epochs_trained,
    grid_of,
    pack_count,
    pack_slice,
    planned_rungs,
    planned_trials,
    shuffled,
    trial_id,
)
from cmr2ecg.study.sweep_jobs import sweep_of
from cmr2ecg.study.targets import PHENOTYPE_GROUPS


def section(**changes) -> Sweep:
    return changed(Sweep(), **changes)


def planned(target="cad", encoder="mmcl", **changes):
    return planned_trials(section(**changes), encoder, target)


def ids(trials):
    return [trial_id(trial) for trial in trials]


def test_the_papers_grids_have_648_and_270_trials_and_216_without_label_smoothing():
    assert len(planned()) == len(set(ids(planned()))) == 648
    assert len(planned("lv")) == 216
    assert all("label_smoothing" not in trial for group in PHENOTYPE_GROUPS for trial in planned(group))
    tabular = sweep_of(Settings(), "tabular", "cad")
    assert len(tabular.trials) == 5 * 6 * 3 * 3 and len(tabular.packs(0)) == 1


def test_a_convolutional_network_has_rates_of_its_own_and_no_layer_decay():
    """3 x 3 x 3 x 3 x 4 trials of a disease: the paper's grid without layer decay, with other rates."""
    trials = planned(encoder="supervised_cnn")
    assert len(trials) == 324 and all("layer_decay" not in trial for trial in trials)
    assert {trial["base_lr"] for trial in trials} == set(section().overrides["supervised_cnn"].base_lr)
    assert grid_of(section(), "mmcl") == dict(section().grid)


def test_the_grid_holds_every_combination_once():
    grid = dict(section().grid)
    wanted = {tuple(values) for values in itertools.product(*grid.values())}
    assert {tuple(trial[axis] for axis in grid) for trial in planned()} == wanted


def test_a_trials_name_knows_values_only():
    assert trial_id({"a": 0, "b": 1e-6}) == trial_id({"b": 0.000001, "a": 0.0}) == trial_id({"a": -0.0 + 0, "b": 1e-6})
    assert len({trial_id(t) for t in ({"a": 0}, {"a": 1}, {"b": 0}, {"a": 0, "b": 0}, {})}) == 5
    # Must never change, for kept trials are found by it: sha256 of {"base_lr": "1e-05", "batch_size": "16"}.
    assert trial_id({"batch_size": 16, "base_lr": 1e-5}) == "2cfad2995f7b"


def test_a_larger_random_part_holds_the_smaller_one_without_replacement():
    parts = [planned(strategy="random", trials=n) for n in (5, 40, 648)]
    assert [len(set(ids(part))) for part in parts] == [5, 40, 648]
    assert parts[0] == parts[1][:5] and parts[1] == parts[2][:40]
    other = planned(strategy="random", trials=40, seed=1)
    assert ids(other) != ids(parts[1])


def test_a_wider_grid_keeps_the_order_of_the_trials_it_had():
    wider = {"base_lr": [*section().grid.base_lr, 1e-4]}
    before, after = ids(planned()), ids(planned(grid=wider))
    assert [name for name in after if name in set(before)] == before and len(after) == 648 * 5 / 4


def test_random_parts_are_drawn_evenly():
    """Over 300 seeds the first of 12 trials is each of them about 25 times: chi-squared with 11 degrees below 31."""
    trials = combinations({"a": [1, 2, 3], "b": [1, 2, 3, 4]})
    first = [trial_id(shuffled(trials, seed)[0]) for seed in range(300)]
    counts = [first.count(trial_id(trial)) for trial in trials]
    assert sum((count - 25) ** 2 / 25 for count in counts) < 31.3


def test_an_empty_axis_is_not_swept():
    assert axes_of({"a": [1, 2], "b": [], "label_smoothing": [0.1]}, "cad") == {"a": [1, 2], "label_smoothing": [0.1]}
    assert axes_of({"a": [1, 2], "b": [], "label_smoothing": [0.1]}, "ecc") == {"a": [1, 2]}


def test_halving_of_the_papers_grid():
    rungs = planned_rungs(section(strategy="halving"), 648, 400)
    assert rungs == [Rung(15, 648), Rung(45, 216), Rung(135, 72), Rung(400, 24)]
    # a trial goes on where it stopped: 648 x 15 + 216 x 30 + 72 x 90 + 24 x 265, against 648 x 400 for the grid
    assert epochs_trained(rungs) == 9720 + 6480 + 6480 + 6360
    assert epochs_trained(planned_rungs(section(), 648, 400)) == 648 * 400


@given(st.integers(1, 700), st.integers(1, 500), st.integers(2, 9), st.integers(1, 600))
def test_halving_always_ends(count, epochs, eta, minimum):
    rungs = planned_rungs(section(strategy="halving", eta=eta, minimum_epochs=minimum), count, epochs)
    assert rungs[0] == Rung(min(minimum, epochs), count)
    for one, two in itertools.pairwise(rungs):
        assert two.trials == one.trials // eta > 1 and one.epochs < two.epochs <= min(eta * one.epochs, epochs)
    assert rungs[-1].epochs == epochs or rungs[-1].trials // eta <= 1


@given(st.integers(1, 700), st.integers(1, 50))
def test_packs_hold_every_trial_once(count, size):
    packs = [list(range(count))[pack_slice(pack, size)] for pack in range(pack_count(count, size))]
    assert [trial for pack in packs for trial in pack] == list(range(count)) and all(packs)
    assert len(packs) == math.ceil(count / size)


@pytest.mark.parametrize("strategy", ["grid", "random"])
def test_other_strategies_have_one_round(strategy):
    assert planned_rungs(section(strategy=strategy), 9, 400) == [Rung(400, 9)]
