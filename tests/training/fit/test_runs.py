"""Which runs a fit has: one a seed, or one a draw of its training subset, pre-trainings in turn."""

from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.training.fit.runs import Run, planned_runs, runs_of

SEEDS = [0, 101, 202, 303, 404]


def test_one_run_a_seed_as_in_the_paper():
    assert runs_of(SEEDS) == [Run(seed) for seed in SEEDS]


def test_pre_trainings_take_turns_and_each_has_a_run():
    assert [run.block for run in runs_of(SEEDS, blocks=3)] == [0, 1, 2, 0, 1]
    assert [(run.seed, run.block) for run in runs_of([0], blocks=3)] == [(0, 0), (1000, 1), (2000, 2)]


def test_each_draw_has_a_run_and_a_seed_of_its_own():
    runs = runs_of(SEEDS, draws=7)
    assert [run.draw for run in runs] == list(range(7))
    assert [run.seed for run in runs] == [*SEEDS, 1000, 1101]


@given(st.lists(st.integers(0, 999), min_size=1, max_size=8, unique=True), st.integers(1, 5), st.integers(1, 30))
def test_no_two_runs_share_a_seed(seeds, blocks, draws):
    runs = runs_of(seeds, blocks=blocks, draws=draws)
    assert len({run.seed for run in runs}) == len(runs)
    assert {run.draw for run in runs} == set(range(draws))


def test_only_what_is_trained_on_fewer_than_all_is_drawn_again():
    settings = {"blocks": 1, "draws": 10}
    assert len(planned_runs(SEEDS, settings, 10)) == 10
    assert planned_runs(SEEDS, settings, 100) == runs_of(SEEDS)
