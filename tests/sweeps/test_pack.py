"""A job of a sweep with a trainer that only counts: what is kept, repeated, taken up again, and dropped."""

import json

import pytest
from paper_settings import changed

from cmr2ecg.study.settings.sweeps import Sweep
from cmr2ecg.study.sweep_grid import combinations, planned_rungs, trial_id
from cmr2ecg.sweeps.cost import seconds_since_start, startup_share
from cmr2ecg.sweeps.ranking import rank
from cmr2ecg.sweeps.run import Pack, cut, fits_of, read_packs, run_pack, write_pack
from cmr2ecg.sweeps.store import Outcome, Store, clean_store

TRIALS = combinations({"batch_size": [8, 16], "base_lr": [1e-3, 1e-2, 1e-1]})


class Counter:
    """A trainer whose score is a known function of settings, seed and epoch, and that remembers what it trained."""

    def __init__(self, stops=400, dies_at=None):
        self.trained, self.stops, self.dies_at = [], stops, dies_at

    def __call__(self, fits, epochs):
        for fit in fits:
            if len(self.trained) == self.dies_at:
                raise KeyboardInterrupt
            self.trained.append((fit.trial, fit.seed, epochs))
            count = min(epochs, self.stops)
            scores = [value(fit.settings, fit.seed, epoch) for epoch in range(count)]
            yield Outcome(fit.trial, fit.seed, scores, 1.0, count == self.stops)


def value(settings, seed, epoch):
    return settings["batch_size"] / 100 + settings["base_lr"] * (1 - 0.5**epoch) + seed / 1000


def store(folder, own="rung_0_pack_0", cache_key="data, weights, code"):
    return Store(folder / "finished", own, cache_key)


def test_only_what_is_missing_is_trained(tmp_path):
    first, second = Counter(), Counter()
    fits = fits_of(TRIALS, [0, 1])
    before = run_pack(fits[:6], 4, store(tmp_path), first)
    after = run_pack(fits, 4, store(tmp_path), second)
    assert len(first.trained) == 6 and len(second.trained) == 6
    assert after[:6] == before and len(after) == 12
    assert not set(first.trained) & set(second.trained)


def test_one_seed_more_trains_that_seed_only(tmp_path):
    run_pack(fits_of(TRIALS, [0]), 4, store(tmp_path), Counter())
    again = Counter()
    run_pack(fits_of(TRIALS, [0, 7]), 4, store(tmp_path), again)
    assert {seed for _, seed, _ in again.trained} == {7} and len(again.trained) == len(TRIALS)


def test_trials_packed_anew_are_found_in_the_other_jobs_files(tmp_path):
    fits = fits_of(TRIALS, [0])
    for pack in range(3):
        run_pack(fits[2 * pack : 2 * pack + 2], 4, store(tmp_path, f"rung_0_pack_{pack}"), Counter())
    idle = Counter()
    assert len(run_pack(fits, 4, store(tmp_path), idle)) == 6 and idle.trained == []


def test_a_killed_job_goes_on_after_its_last_finished_trial(tmp_path):
    fits = fits_of(TRIALS, [0])
    with pytest.raises(KeyboardInterrupt):
        run_pack(fits, 4, store(tmp_path), Counter(dies_at=4))
    path = tmp_path / "finished/rung_0_pack_0.jsonl"
    path.write_text(path.read_text() + '{"cache_key": "data, weights, code", "tri')  # the line that was being written
    rest = Counter()
    resumed = run_pack(fits, 4, store(tmp_path), rest)
    assert len(rest.trained) == 2
    assert resumed == run_pack(fits, 4, store(tmp_path / "whole"), Counter())


@pytest.mark.parametrize("cache_key", ["other data", "other code"])
def test_trials_of_other_data_or_code_are_dropped(tmp_path, cache_key):
    fits = fits_of(TRIALS, [0])
    run_pack(fits, 4, store(tmp_path), Counter())
    again = Counter()
    run_pack(fits, 4, store(tmp_path, cache_key=cache_key), again)
    assert len(again.trained) == 6
    cache_keys = {
        json.loads(line)["cache_key"] for line in (tmp_path / "finished/rung_0_pack_0.jsonl").read_text().splitlines()
    }
    assert cache_keys == {cache_key}


def test_more_epochs_go_on_and_fewer_are_cut_from_what_is_there(tmp_path):
    fits = fits_of(TRIALS, [0])
    short, longer, cut_down = Counter(), Counter(), Counter()
    run_pack(fits, 3, store(tmp_path), short)
    run_pack(fits, 6, store(tmp_path), longer)
    assert len(longer.trained) == 6
    results = run_pack(fits, 3, store(tmp_path), cut_down)
    assert cut_down.trained == [] and all(len(result.outcome.scores) == 3 for result in results)


def test_a_trial_that_stopped_by_itself_is_not_trained_on(tmp_path):
    fits = fits_of(TRIALS, [0])
    run_pack(fits, 10, store(tmp_path), Counter(stops=5))
    again = Counter()
    run_pack(fits, 400, store(tmp_path), again)
    assert again.trained == []


def test_cutting_is_like_stopping():
    whole = Outcome("a", 0, [0.1, 0.2, 0.3], 9.0, True)
    assert cut(whole, 2) == Outcome("a", 0, [0.1, 0.2], 9.0, False)
    assert cut(whole, 3) == cut(whole, 400) == whole


def test_halving_finds_the_best_and_trains_it_longest(tmp_path):
    """Six trials, eta 2, from 2 to 8 epochs: 6, 3 and then 1, which is not trained for nothing to compare it with."""
    rungs = planned_rungs(changed(Sweep(), strategy="halving", eta=2, minimum_epochs=2), len(TRIALS), 8)
    assert [(rung.epochs, rung.trials) for rung in rungs] == [(2, 6), (4, 3)]
    previous, trained = [], []
    for number, rung in enumerate(rungs):
        files = []
        for pack in range(rung.trials // 3):
            places = slice(3 * pack, 3 * pack + 3)
            own = TRIALS[places] if number == 0 else None
            job = Pack(number, pack, rung.epochs, [0], own, rung.trials, places.start, places.stop)
            counter = Counter()
            results = run_pack(job.fits(previous), rung.epochs, store(tmp_path, job.name), counter)
            trained.append(counter.trained)
            files.append(tmp_path / f"rung_{number}/pack_{pack}.json")
            write_pack(files[-1], results)
        previous = files
    assert [len(names) for names in trained] == [3, 3, 3]
    best = sorted(TRIALS, key=lambda settings: -value(settings, 0, 1))[:3]
    assert {name for name, _, _ in trained[-1]} == {trial_id(settings) for settings in best}
    assert rank(read_packs(previous))[0].settings == {"batch_size": 16, "base_lr": 0.1}


def test_a_packs_file_is_the_same_bytes_however_long_it_took(tmp_path):
    fits = fits_of(TRIALS, [0])
    results = run_pack(fits, 4, store(tmp_path), Counter())
    write_pack(tmp_path / "a.json", results)
    slower = [type(r)(r.settings, type(r.outcome)(**{**vars(r.outcome), "seconds": 99.0})) for r in results]
    write_pack(tmp_path / "b.json", slower)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    back = read_packs([tmp_path / "a.json"])
    assert [r.outcome.scores for r in back] == [r.outcome.scores for r in results]
    assert [r.settings for r in back] == [r.settings for r in results]


def test_what_a_finished_sweep_no_longer_needs_goes(tmp_path):
    (tmp_path / "states").mkdir()
    (tmp_path / "states/a_0.pt").write_bytes(b"weights")
    (tmp_path / "rung_0").mkdir()
    for name in ("pack_0.json", "pack_0.cost.json", "pack_7.json", "pack_7.cost.json"):
        (tmp_path / "rung_0" / name).write_text("[]")
    for own, cache_key in (("rung_0_pack_0", "now"), ("rung_0_pack_7", "now"), ("rung_0_pack_9", "before")):
        store(tmp_path, own, cache_key).add(Outcome("a", 0, [0.5], 1.0, True))
    clean_store(tmp_path, {"rung_0_pack_0"})
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left >= {"rung_0/pack_0.json", "rung_0/pack_0.cost.json", "finished/rung_0_pack_7.jsonl"}
    assert not any("states" in name or "rung_0/pack_7" in name for name in left)
    assert (tmp_path / "finished/rung_0_pack_9.jsonl").read_text() == ""
    assert (tmp_path / "finished/rung_0_pack_7.jsonl").read_text() != ""


def test_start_up_share_counts_jobs_that_trained():
    jobs = [
        {"startup_seconds": 10, "training_seconds": 90, "trained": 8},
        {"startup_seconds": 5, "training_seconds": 0.1, "trained": 0},
    ]
    assert startup_share(jobs) == pytest.approx(0.1) and startup_share(jobs[1:]) is None
    assert 0 < seconds_since_start() < 1e6
