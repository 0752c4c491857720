"""Every stage of `make bench` runs, at sizes that take seconds where no further process starts, else half a minute."""

import importlib
import json

import pytest
import torch

from bench import all as bench
from bench import cores, rows, stage
from bench.test_dag import SMALL

SIZES = {
    "augment": {"BATCH": 4, "ROUNDS": 1},
    "cores": {"CORES": 2, "ECGS": 2, "CMRS": 1, "MAE_BATCH": 1, "MMCL_BATCH": 1, "ROUNDS": 1},
    "dag": {"SUBJECTS": 40, "ARRIVALS": 10, "OVERLAY": SMALL | {"sweep": {"encoders": []}}},
    "data": {"ITERATIONS": 2, "SLICES": 9, "FRAMES": 12, "SIDE": 96, "RECORDINGS": 60, "SAMPLES": 1000},
    "finetune": {"BATCH": 2, "SEED_BATCH": 1, "SEEDS": [0, 1], "ROUNDS": 1},
    "fits": {"TRAIN": 60, "HELD_OUT": 40, "FEATURES": 20, "CAD_TRAIN": 60, "CAD_VAL": 40}
    | {"SUBJECTS": 200, "POSITIVE": 40, "SEEDS": 2, "LEFT_OUT": 3},
    "jobs": {"SEEDS": [0], "EPOCHS": 1, "TRIAL_SUBJECTS": 8, "TRIAL_EPOCHS": 1}
    | {"NETWORK": {"patch": 500, "dim": 48, "depth": 1}},
    "loading": {"SUBJECTS": 8, "BATCH": 4, "ROUNDS": 1},
    "memory": {"SIZES": (2, 4)},
    "predict": {"DEMO": 4, "PAPER": 0},
    "tables": {"ROWS": 1000},
    "training": {"MAE_BATCH": 2, "MMCL_BATCH": 2, "ECG_BATCH": 2, "CMR_BATCH": 2, "ROUNDS": 1, "SIDE": 64}
    | {"CONTRASTIVE": ["simclr"], "CONTRASTIVE_ROUNDS": 1},
}
NAMES = {  # that others rely on: docs, the cost of a reproduction
    "augment": ["augment_vs_per_sample"],
    "cores": ["two_workers", "cores_clean_ecg_2", "cores_crop_cmr_2", "cores_mae_step_2", "cores_mmcl_step_2"],
    "dag": ["dag_before_anything_seconds", "dag_later_delivery_memory", "dag_shards_of_a_delivery"],
    "data": ["clean_ecg_vs_spsolve", "crop_cmr_vs_full_decode", "read_ecg_of_expat", "duplicates_vs_all_pairs"],
    "finetune": ["finetune_step_vs_plain", "seed_loop_vs_batched"],
    "fits": ["probe_vs_one_by_one", "xgboost_grid_vs_one_by_one", "auroc_influence_vs_sklearn"],
    "jobs": ["seeds_in_one_job", "sweep_startup_share"],
    "loading": ["stream_vs_virtual_dataset", "mae_epoch_vs_waiting"],
    "memory": ["memory_clean_ecg", "memory_audit_withdrawn"],
    "predict": ["predict_demo"],
    "tables": ["read_tabular_vs_pandas", "read_tabular_memory_vs_pandas"],
    "training": ["mae_step_vs_plain", "mae_step_vs_plain_twice", "mmcl_step_vs_plain", "cmr_step_vs_plain"],
}
KEYS = {"name", "ours", "plain", "unit", "ratio", "note"}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", bench.STAGES)
def test_a_stage_gives_rows_with_all_their_columns(name, monkeypatch):
    module = importlib.import_module(f"bench.{name}")
    for constant, value in SIZES[name].items():
        monkeypatch.setattr(module, constant, value)
    found = list(module.run())
    assert found
    for row in found:
        assert set(row) == KEYS
        assert row["ours"] > 0 and row["plain"] > 0 and row["ratio"] > 0, row
    names = [row["name"] for row in found]
    assert len({*names}) == len(names)
    assert {*NAMES[name]} <= {*names}


def test_cores_are_counted_in_powers_of_two_and_whole():
    assert [cores.core_counts(count) for count in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]
    assert cores.core_counts(12) == [1, 2, 4, 8, 12]
    gained = list(cores.scaling("work", {1: 10.0, 2: 19.0}, "jobs/s", "note"))
    assert [(row["name"], row["ratio"]) for row in gained] == [("cores_work_2", 1.9)]


def test_a_failed_stage_costs_the_others_nothing(tmp_path, monkeypatch):
    row = dict.fromkeys(("unit", "note"), "") | {"ours": 1.0, "plain": 1.0, "ratio": 1.0}
    whole, part = ([row | {"name": name}] for name in ("clean", "rows"))
    results = {"data": (whole, True), "tables": (part, False), "fits": ([row | {"name": "auroc"}], True)}
    monkeypatch.setattr(bench, "STAGES", tuple(results))
    monkeypatch.setattr(bench, "run_stage", results.get)
    monkeypatch.setattr(bench, "add_reproduction", lambda _: None)
    with pytest.raises(SystemExit, match="failed: tables;"):
        bench.main(["--output", str(tmp_path / "bench.json")])
    names = [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())]
    assert names == ["clean", "rows", "auroc"]
    assert json.loads((tmp_path / "bench_machine.json").read_text())["cores"] >= 1


def test_a_stage_measured_again_replaces_its_rows_alone(tmp_path, monkeypatch):
    path = tmp_path / "bench.json"
    row = dict.fromkeys(("unit", "note"), "") | {"ours": 1.0, "plain": 1.0, "ratio": 1.0}
    path.write_text(json.dumps([row | {"name": "clean"}, row | {"name": "auroc"}]))
    monkeypatch.setattr(bench, "run_stage", lambda _: ([row | {"name": "auroc", "ratio": 3.0}], True))
    monkeypatch.setattr(bench, "add_reproduction", lambda _: None)
    bench.main(["--output", str(path), "--only", "fits"])
    assert [(row["name"], row["ratio"]) for row in json.loads(path.read_text())] == [("clean", 1.0), ("auroc", 3.0)]


def test_rows_survive_an_end_midway(tmp_path, capsys):
    def some():
        yield rows.compared("first", 2.0, 1.0, "items/s", "a note")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        stage.report(some(), tmp_path / "rows.json")
    assert [row["name"] for row in rows.read_rows(tmp_path / "rows.json")] == ["first"]
    assert "first" in capsys.readouterr().out


def test_a_stage_is_run_alone_at_another_size(monkeypatch, capsys):
    from bench import dag

    monkeypatch.setattr(dag, "SUBJECTS", 1)
    monkeypatch.setattr(dag, "run", lambda: [rows.compared("size", dag.SUBJECTS, 1.0, "subjects", "")])
    stage.main(["dag", "SUBJECTS=400"])
    assert "ours 400" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        stage.main(["dag", "SUBJECT=400"])
