"""A later delivery plans its own shards and what follows, and a plan of the whole study reads as it should."""

import subprocess

import pandas as pd
import pytest
import yaml
from planned_study import PER_SHARD, Place, Plan, made_up_eids, planned_jobs

from bench.dag import rows_of
from cmr2ecg.cohort.arrivals import LATER_SUBJECTS, read_ledger

SHARDS = 3
SMALL = {
    "shards": SHARDS,
    "finetune": {"encoders": ["mmcl"], "targets": ["cad"]},
    "probe": {"encoders": []},
    "train_tabular": {"targets": ["cad"]},
    "sweep_tabular": {"targets": []},
    "make_table": {"tables": [], "supplements": []},
    "make_figure": {"figures": [], "quality_figures": []},
}


def shards_of(plan: Plan) -> list[int]:
    return [plan.jobs.get(step, 0) for step in PER_SHARD]


@pytest.mark.slow
@pytest.mark.long
def test_a_delivery_plans_its_own_shards_and_what_follows(tmp_path):
    eids = made_up_eids(60)
    place = Place(tmp_path, SMALL)
    place.add(eids[:40])
    first = place.plan()
    assert shards_of(first) == [SHARDS] * 3 and first.jobs["finetune"] == 3
    assert not (place.results / "index_shard/shards.csv").exists()  # a plan writes nothing
    place.finish_data()
    again = place.plan()
    assert shards_of(again) == [0, 0, 0] and again.jobs["finetune"] == 3

    place.add(eids[40:50])
    delivered = place.plan()
    assert shards_of(delivered) == [1, 1, 1]
    steps = ("index_cohort", "read_tabular", "assemble_dataset", "split_subjects", "audit_leakage", "pretrain_mae")
    assert all(delivered.jobs[step] == 1 for step in steps)

    # The further shard is filled by the next delivery before another is opened.
    place.run("--until", "index_cohort")
    ledger = read_ledger(place.results / "index_shard/shards.csv", SHARDS)
    assert {ledger.place(eid) for eid in eids[40:50]} == {SHARDS} and len(ledger.places) == 50 < LATER_SUBJECTS
    assert all(ledger.place(eid) == eid % SHARDS for eid in eids[:40])
    place.add(eids[50:])
    assert place.plan().jobs["index_shard"] == 1


@pytest.mark.slow
@pytest.mark.long
def test_the_index_holds_every_subject_once_after_a_delivery_and_none_that_withdrew(tmp_path):
    eids = made_up_eids(30)
    place = Place(tmp_path, SMALL)
    for part in (eids[:20], eids[20:]):
        place.add(part)
        place.run("--until", "index_cohort")
    assert indexed(place, "index_cohort/visits.parquet") == sorted(eids)
    assert indexed(place, f"index_shard/{SHARDS}.parquet") == sorted(eids[20:])

    # Who withdraws is counted in a first shard, also of a later delivery, whose own shard forgets about it.
    gone, shards = [eids[0], eids[20]], {eids[0] % SHARDS, eids[20] % SHARDS, SHARDS}
    place.withdraw(gone)
    assert place.plan().jobs["index_shard"] == len(shards)
    place.run("--until", "index_cohort")
    assert indexed(place, "index_cohort/visits.parquet") == sorted(set(eids) - set(gone))
    ledger = (place.results / "index_shard/shards.csv").read_text()
    assert not any(str(eid) in ledger for eid in gone)
    flow = pd.read_csv(place.results / "index_cohort/flow.csv").set_index("reason")
    assert flow.loc["withdrawn", "n_in"] - flow.loc["withdrawn", "n_out"] == len(gone)


@pytest.mark.slow
@pytest.mark.long
def test_a_further_folder_or_withdrawal_list_plans_the_shards_it_changes(tmp_path):
    eids = made_up_eids(22)
    place = Place(tmp_path / "first", SMALL)
    place.add(eids[:20])
    place.finish_data()
    delivery = Place(tmp_path / "second", SMALL)
    delivery.add(eids[20:])
    raw = place.overlay["raw"]
    for kind in ("ecg", "cmr"):
        raw[kind] += delivery.overlay["raw"][kind]
    place.config.write_text(yaml.safe_dump(place.overlay))
    assert shards_of(place.plan()) == [1] * 3

    delivery.withdraw(eids[:1])
    raw["withdrawn"] += delivery.overlay["raw"]["withdrawn"]
    place.config.write_text(yaml.safe_dump(place.overlay))
    assert shards_of(place.plan()) == [2] * 3
    place.run("--until", "index_cohort")
    assert indexed(place, "index_cohort/visits.parquet") == sorted(eids[1:])


def indexed(place: Place, name: str) -> list[int]:
    return pd.read_parquet(place.results / name)["eid"].tolist()


def test_what_a_dry_run_printed_is_counted():
    text = "Job stats:\njob count\n--- ---\nall 1\nfinetune_mmcl 14\nfinetune_mae 2\nsweep 3\ntotal 20\n\nother 5\n"
    assert planned_jobs(text) == {"finetune": 16, "sweep": 3}
    assert planned_jobs("Nothing to be done") == {}


def test_rows_compare_with_the_limits():
    seconds, memory = rows_of("before_anything", Plan(30.0, 20.0, 512.0, {"sweep": 4158}), "40,044 subjects")
    assert (seconds["ratio"], memory["ratio"]) == (2.0, 4.0)
    assert "4,158 jobs" in seconds["note"]


def test_a_failing_run_is_an_error(tmp_path):
    place = Place(tmp_path, {**SMALL, "shards": 0})
    with pytest.raises(subprocess.CalledProcessError):
        place.run("-n")
