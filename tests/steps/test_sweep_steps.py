"""Sweeps as steps: nothing of the test split reaches them, wider sweeps train only what is new, choices are used."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from finetune_setups import SETTINGS

from cmr2ecg.loading.labels import output_names
from cmr2ecg.steps import hide_test, select, sweep, sweep_tabular
from cmr2ecg.study.sweep_grid import combinations

TRIALS = combinations({"base_lr": [1e-3, 3e-3], "weight_decay": [0.0, 0.1]})
FIXED = {key: value for key, value in SETTINGS.items() if key not in ("base_lr", "weight_decay", "seeds")}
TREES = {"rounds": [2, 4], "max_depth": [1, 2], "learning_rate": [0.3], "subsample": [1.0]}
SUBJECT = re.compile(r"(?<![\w.])90000\d\d(?![\w.])")  # an eid, not part of a digest or of a number of seconds
TEST = slice(36, 48)  # the small dataset's test subjects


def arguments(**paths):
    return [text for name, value in paths.items() for text in (f"--{name.replace('_', '-')}", str(value))]


class Study:
    """A study of sweeps in a folder of its own; `poison` replaces whatever belongs to the test split."""

    def __init__(self, folder, data, models, poison=False):
        self.folder, self.data, self.models, self.poison = folder, data, models, poison
        self.folder.mkdir()
        self.write_tables()
        hide_test.main(
            arguments(
                split=self.data / "split.csv",
                covariates=self.folder / "covariates.parquet",
                labels=self.folder / "labels.parquet",
                phenotypes=self.folder / "phenotypes.parquet",
                output=self.hidden,
            )
        )

    @property
    def hidden(self):
        return self.folder / "hide_test"

    def write_tables(self):
        rng = np.random.default_rng(0)
        labels = pd.read_parquet(self.data / "labels.parquet")
        covariates = pd.read_parquet(self.data / "covariates.parquet")
        covariates["age"] = 60 + 5 * labels["cad"] + rng.normal(size=48)
        phenotypes = pd.DataFrame(rng.normal(100, 10, (48, 4)), columns=output_names("rv")).assign(eid=labels["eid"])
        if self.poison:
            labels.loc[TEST, "cad"] = 1 - labels.loc[TEST, "cad"]
            covariates.loc[TEST, "age"] = np.nan
            phenotypes.loc[TEST, output_names("rv")] = np.nan
        labels.to_parquet(self.folder / "labels.parquet")
        covariates.to_parquet(self.folder / "covariates.parquet")
        phenotypes.to_parquet(self.folder / "phenotypes.parquet")
        subset = pd.read_csv(self.data / "subset.csv")
        subset.to_csv(self.folder / "cad_100.csv", index=False)
        with h5py.File(self.data / "dataset.h5") as old, h5py.File(self.folder / "dataset.h5", "w") as new:
            ecg = old["ecg"][:]
            ecg[TEST] = np.nan if self.poison else ecg[TEST]
            new["eid"], new["ecg"] = old["eid"][:], ecg

    def job(self, trials, pack=0, rung=0, epochs=2, previous=(), promoted=None, places=(0, 9), target="cad"):
        plan = {"rung": rung, "pack": pack, "epochs": epochs, "seeds": [0], "trials": trials}
        plan |= {"promoted": promoted or len(trials), "first": places[0], "last": places[1]}
        settings = {"method": FIXED, "models": self.models, "device": "cpu", "precision": "fp32", "sweep": plan}
        stem = self.folder / f"sweep/rung_{rung}/pack_{pack}"
        files = {name: self.hidden / f"{name}.parquet" for name in ("labels", "phenotypes")}
        files |= {"dataset": self.folder / "dataset.h5", "split": self.hidden / "split.csv"}
        files |= {"subsets": self.folder, "finished": self.folder / "sweep/finished"}
        files |= {"output": stem.with_suffix(".json"), "cost": stem.with_suffix(".cost.json")}
        before = ["--previous", *map(str, previous)] if previous else []
        sweep.main(
            ["--settings", json.dumps(settings), *arguments(encoder="supervised", target=target, **files), *before]
        )
        return stem.with_suffix(".json")

    def trees(self, target="cad"):
        settings = {"method": {}, "grid": TREES, "seeds": [0, 1]}
        stem = self.folder / "sweep/rung_0/pack_0"
        values = "labels" if target == "cad" else "phenotypes"
        files = {"covariates": self.hidden / "covariates.parquet", "split": self.hidden / "split.csv"}
        files |= {"values": self.hidden / f"{values}.parquet", "finished": self.folder / "sweep/finished"}
        files |= {"subset": self.folder / "cad_100.csv"} if target == "cad" else {}
        files |= {"output": stem.with_suffix(".json"), "cost": stem.with_suffix(".cost.json")}
        sweep_tabular.main(["--settings", json.dumps(settings), *arguments(target=target, **files)])
        return stem.with_suffix(".json")

    def choose(self, packs, encoder="supervised", target="cad"):
        files = ["--packs", *map(str, packs), "--costs", *(str(path.with_suffix(".cost.json")) for path in packs)]
        settings = json.dumps({"strategy": "grid", "runner_ups": 2})
        named = arguments(encoder=encoder, target=target, choice=self.folder / "choice.json")
        select.main(["--settings", settings, *files, *named, "--output", str(self.folder / "sweep")])
        return json.loads((self.folder / "choice.json").read_text())

    def trained(self):
        """Return how many trainings each job has done."""
        return {p.parent.name + p.name: json.loads(p.read_text())["trained"] for p in self.costs()}

    def costs(self):
        return sorted((self.folder / "sweep").glob("rung_*/*.cost.json"))

    def results(self):
        names = ["choice.json", "sweep/trials.csv", "sweep/curves.csv"]
        names += [str(path.relative_to(self.folder)) for path in (self.folder / "sweep").glob("rung_*/pack_?.json")]
        return {name: (self.folder / name).read_bytes() for name in sorted(names)}


@pytest.fixture
def study(small_dataset, small_models, tmp_path):
    """A function that makes a study: study(name, poison=False)."""
    return lambda name, poison=False: Study(tmp_path / name, small_dataset, small_models, poison)


def test_a_poisoned_test_split_changes_no_byte_of_a_sweep(study):
    """Test labels, covariates, phenotypes and ECGs are replaced; scores, ranking and choice are the same bytes."""
    sound, poisoned = study("sound"), study("poisoned", poison=True)
    for each in (sound, poisoned):
        each.choose([each.job(TRIALS)])
    assert (sound.folder / "labels.parquet").read_bytes() != (poisoned.folder / "labels.parquet").read_bytes()
    assert (sound.folder / "dataset.h5").read_bytes() != (poisoned.folder / "dataset.h5").read_bytes()
    assert sound.results() == poisoned.results()


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_a_poisoned_test_split_changes_no_byte_of_xgboosts_sweep(study, target):
    sound, poisoned = study("sound"), study("poisoned", poison=True)
    for each in (sound, poisoned):
        choice = each.choose([each.trees(target)], "tabular", target)
        assert choice["chosen"]["score"] == choice["chosen"]["score"] and choice["metric"] in ("auroc", "r")
    assert sound.results() == poisoned.results()


def test_a_poisoned_validation_split_does_change_it(study, small_dataset):
    """The same poison on subjects a sweep may look at shows, so the tests above can fail."""
    sound, poisoned = study("sound"), study("poisoned")
    labels = pd.read_parquet(poisoned.hidden / "labels.parquet")
    labels.loc[24:35, "cad"] = 1 - labels.loc[24:35, "cad"]
    labels.to_parquet(poisoned.hidden / "labels.parquet")
    for each in (sound, poisoned):
        each.choose([each.job(TRIALS[:1])])
    assert sound.results() != poisoned.results()


def test_no_test_subject_is_in_what_a_sweep_is_given(study, small_dataset):
    hidden = study("sound").hidden
    split = pd.read_csv(small_dataset / "split.csv")
    seen = set(split.loc[split["split"] != "test", "eid"])
    tables = [pd.read_csv(hidden / "split.csv"), *map(pd.read_parquet, sorted(hidden.glob("*.parquet")))]
    assert len(tables) == 4 and all(set(table["eid"]) == seen for table in tables)


def test_a_wider_sweep_trains_only_what_is_new(study):
    each = study("one")
    first = each.job(TRIALS[:2])
    before = json.loads(first.read_text())
    each.choose([first])
    wider = each.job(TRIALS)
    assert each.trained() == {"rung_0pack_0.cost.json": 2}
    assert json.loads(wider.read_text())[:2] == before
    each.job(TRIALS)
    assert each.trained() == {"rung_0pack_0.cost.json": 0}


def test_other_labels_make_every_trial_anew(study):
    each = study("one")
    each.job(TRIALS[:2])
    labels = pd.read_parquet(each.hidden / "labels.parquet")
    labels[:-1].to_parquet(each.hidden / "labels.parquet")  # a subject of val has withdrawn
    split = pd.read_csv(each.hidden / "split.csv")
    split[:-1].to_csv(each.hidden / "split.csv", index=False)
    each.job(TRIALS[:2])
    assert each.trained() == {"rung_0pack_0.cost.json": 2}
    cache_keys = {json.loads(line)["cache_key"] for line in (each.folder / "sweep/finished/rung_0_pack_0.jsonl").open()}
    assert len(cache_keys) == 1


def test_halving_over_two_rounds_of_jobs(study):
    each = study("one")
    first = [each.job(TRIALS[:2], 0, epochs=2), each.job(TRIALS[2:], 1, epochs=2)]
    last = each.job(None, rung=1, epochs=4, previous=first, promoted=2)
    choice = each.choose([*first, last])
    assert choice["rounds"] == [4, 2] and choice["chosen"]["rung"] == 1
    trials = pd.read_csv(each.folder / "sweep/trials.csv")
    assert trials["epochs"].tolist() == [4, 4, 2, 2] and not (each.folder / "sweep/states").exists()
    result = json.loads((each.folder / "sweep/result.json").read_text())
    assert len(result["all_trials"]) == 4 and result["startup_share"] > 0 and len(result["seconds"]) == 4


def test_no_subject_is_named_in_anything_a_sweep_writes(study):
    each = study("one")
    each.choose([each.job(TRIALS[:1])])
    written = [*(each.folder / "sweep").rglob("*"), each.folder / "choice.json"]
    texts = [path.read_text() for path in written if path.is_file()]
    assert len(texts) >= 6 and not any(SUBJECT.search(text) for text in texts)


def test_a_target_that_cannot_be_learnt_leaves_the_configs_settings_and_says_why(study):
    each = study("one")
    labels = pd.read_parquet(each.hidden / "labels.parquet")
    labels.loc[24:35, "cad"] = 0
    labels.to_parquet(each.hidden / "labels.parquet")
    choice = each.choose([each.job(TRIALS[:2])])
    assert choice["settings"] == {} and choice["chosen"] is None and "cad" in choice["reason"]
    choice = each.choose([each.trees()], "tabular")
    assert choice["settings"] == {} and "the same value for all 12 subjects" in choice["reason"]


def test_phenotypes_are_judged_by_r(study):
    each = study("one")
    choice = each.choose([each.job(TRIALS[:2], target="rv")], target="rv")
    assert choice["metric"] == "r" and -1 <= choice["chosen"]["score"] <= 1
