"""Every stage of `make bench` that needs no start of other processes runs, at sizes that take seconds."""

import importlib
import json

import pytest
import torch

from cmr2ecg.benchmarks import all as bench
from cmr2ecg.benchmarks import cores, rows
from cmr2ecg.training.pretrain.simclr import SimclrObjective

SIZES = {
    "audit": {"RECORDINGS": 60, "SAMPLES": 1000},
    "augment": {"BATCH": 4},
    "data": {"ITERATIONS": 2, "SLICES": 9, "FRAMES": 12, "SIDE": 96},
    "finetune": {"BATCH": 2},
    "loading": {"SUBJECTS": 8, "BATCH": 4},
    "pretraining": {"OBJECTIVES": {"simclr": SimclrObjective}, "ECG_BATCH": 2, "CMR_BATCH": 2, "REPEATS": 1},
    "probe": {"TRAIN": 60, "HELD_OUT": 40, "FEATURES": 20},
    "scoring": {"SUBJECTS": 200, "POSITIVE": 40, "SEEDS": 2, "LEFT_OUT": 3},
    "training": {"MAE_BATCH": 2, "MMCL_BATCH": 2, "REPEATS": 1, "SIDE": 64},
}
KEYS = {"name", "ours", "plain", "unit", "ratio", "note"}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("stage", SIZES)
def test_a_stage_gives_rows_with_all_their_columns(stage, monkeypatch):
    module = importlib.import_module(f"cmr2ecg.benchmarks.{stage}")
    for name, value in SIZES[stage].items():
        monkeypatch.setattr(module, name, value)
    found = list(module.run())
    assert found
    for row in found:
        assert set(row) == KEYS
        assert row["ours"] > 0 and row["plain"] > 0 and row["ratio"] > 0, row
    assert len({row["name"] for row in found}) == len(found)


def test_cores_are_counted_in_powers_of_two_and_whole():
    assert [cores.core_counts(count) for count in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]
    assert cores.core_counts(12) == [1, 2, 4, 8, 12]
    gained = list(cores.scaling("work", {1: 10.0, 2: 19.0}, "jobs/s", "note"))
    assert [(row["name"], row["ratio"]) for row in gained] == [("cores_work_2", 1.9)]


@pytest.mark.slow
@pytest.mark.long
def test_jobs_of_a_data_step_side_by_side_give_a_row(monkeypatch):
    monkeypatch.setattr(cores, "REPEATS", 1)
    found = list(cores.jobs("clean_ecg", cores.clean_ecg.main, cores.write_ecg, 2, [1, 2]))
    assert [row["name"] for row in found] == ["cores_clean_ecg_2", "two_workers"]
    assert all(set(row) == KEYS and row["ratio"] > 0 for row in found)


def test_a_failed_stage_costs_the_others_nothing(tmp_path, monkeypatch):
    row = dict.fromkeys(("unit", "note"), "") | {"ours": 1.0, "plain": 1.0, "ratio": 1.0}
    results = {"data": [row | {"name": "clean"}], "audit": None, "scoring": [row | {"name": "auroc"}]}
    monkeypatch.setattr(bench, "STAGES", tuple(results))
    monkeypatch.setattr(bench, "run_stage", results.get)
    monkeypatch.setattr(bench, "run_module_on", lambda *_: True)
    with pytest.raises(SystemExit, match="audit"):
        bench.main(["--output", str(tmp_path / "bench.json")])
    names = [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())]
    assert names == ["clean", "auroc"]
    assert json.loads((tmp_path / "bench_machine.json").read_text())["cores"] >= 1


def test_a_stage_measured_again_replaces_its_rows_alone(tmp_path, monkeypatch):
    path = tmp_path / "bench.json"
    row = dict.fromkeys(("unit", "note"), "") | {"ours": 1.0, "plain": 1.0, "ratio": 1.0}
    path.write_text(json.dumps([row | {"name": "clean"}, row | {"name": "auroc"}]))
    monkeypatch.setattr(bench, "run_stage", lambda _: [row | {"name": "auroc", "ratio": 3.0}])
    monkeypatch.setattr(bench, "run_module_on", lambda *_: True)
    bench.main(["--output", str(path), "--only", "scoring"])
    assert [(row["name"], row["ratio"]) for row in json.loads(path.read_text())] == [("clean", 1.0), ("auroc", 3.0)]


def test_rows_survive_an_end_midway(tmp_path, capsys):
    def some():
        yield rows.compared("first", 2.0, 1.0, "items/s", "a note")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        rows.report(some(), tmp_path / "rows.json")
    assert [row["name"] for row in rows.read_rows(tmp_path / "rows.json")] == ["first"]
    assert "first" in capsys.readouterr().out


def test_every_stage_can_be_run_alone():
    for stage in bench.STAGES:
        text = (rows.SOURCE / f"cmr2ecg/benchmarks/{stage}.py").read_text(encoding="utf-8")
        assert 'if __name__ == "__main__":\n' in text and ("alone(run" in text or "row_parser(" in text), stage
