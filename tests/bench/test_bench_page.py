"""docs/benchmarks.md: its tables are what the measurements say."""

import importlib.util
import json
from pathlib import Path

import pytest

from bench.all import STAGES
from bench.machine import machine
from bench.reproduction import RATIOS, read_plan, row_of

ROOT = Path(__file__).parents[2]


def bench_row(name, ours, plain, unit="samples/s"):
    return {"name": name, "ours": ours, "plain": plain, "unit": unit, "ratio": ours / plain, "note": "a note"}


ROWS = [
    bench_row("mae_step_vs_plain", 80.0, 40.0),
    bench_row("mae_step_bf16_of_peak", 300.0, 600.0, "GFLOP/s"),
    bench_row("finetune_step_vs_plain", 100.0, 50.0),
    bench_row("cores_clean_ecg_2", 19.0, 10.0, "shards/min"),
    bench_row("two_workers", 19.0, 10.0, "shards/min"),
    bench_row("memory_clean_ecg", 110.0, 100.0, "MB"),
    bench_row("dag_first_seconds", 20.0, 60.0, "s"),
    bench_row("predict_demo", 10.0, 40.0, "ECGs/s"),
]
SCALE = [
    {"name": "stream_epoch", "subjects": size, "seconds": size / 1000, "peak_mb": 500 + size / 100, "note": "read"}
    | {"limit_seconds": 600, "limit_mb": 2448, "told": "1,000 subjects a second"}
    for size in (10_000, 40_000)
]


PLAN = """\
rule,jobs,core_hours,core_hours_low,core_hours_high,gpu_hours,gpu_hours_low,gpu_hours_high,pflop,disk_gb,job_memory_gb
pretrain_mae,1,100,50,200,2,1,4,9,5,3
probe,5,3,2,4,0,0,0,0,1,1
evaluate,1,1,1,1,0,0,0,0,0,1
total,7,104,53,205,2,1,4,9,6,3
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("update_benchmarks", ROOT / "docs/update_benchmarks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    module.PAGE.write_text((ROOT / "docs/benchmarks.md").read_text(encoding="utf-8"), encoding="utf-8")
    return module


def test_every_block_is_written_from_its_file_alone(page, tmp_path):
    before = page.PAGE.read_text(encoding="utf-8")
    page.main()
    assert page.PAGE.read_text(encoding="utf-8") == before
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    (tmp_path / "bench_scale.json").write_text(json.dumps(SCALE))
    for name in ("bench", "bench_scale"):
        (tmp_path / f"{name}_machine.json").write_text(json.dumps(machine()))
    page.main()
    text = page.PAGE.read_text(encoding="utf-8")
    assert "| `mae_step_vs_plain` | 2 | 80 | 40 | samples/s; a note |" in text
    assert "| `mae_step_bf16_of_peak` | 50% | 300 | 600 | GFLOP/s; a note |" in text
    assert "| `cores_clean_ecg_2` | 1.9 | 19 | 10 | shards/min; a note |" in text
    assert "| `memory_clean_ecg` | 1.1 | 110 | 100 | MB; a note |" in text
    assert "| `predict_demo` | 25% |" in text
    assert "| `dag_first_seconds` | 0.333 | 20 | 60 | s; a note |" in text
    assert "| `stream_epoch` | 10 | 40 | 600 | 900 | 100 | 600 s, 2,448 MB | read; 1,000 subjects a second |" in text
    assert "two_workers" not in text
    page.main()
    assert page.PAGE.read_text(encoding="utf-8") == text


def test_a_reproduction_costs_its_plan_times_the_measured_ratios(tmp_path, page):
    (tmp_path / "bench_plan.csv").write_text(PLAN)
    plan = read_plan(tmp_path / "bench_plan.csv")
    row = row_of(plan, {row["name"]: row for row in ROWS})
    assert (row["ours"], row["plain"], row["unit"]) == (104.0, 2 * 100 + 3 + 1, "core-hours")
    assert row["ratio"] == pytest.approx(204 / 104)
    page.main()
    text = page.PAGE.read_text(encoding="utf-8")
    assert "| `pretrain_mae` | 1 | 100 | 50 | 200 | 2 | 5 | 3 |" in text
    assert "| `total` | 7 | 104 |" in text


def test_every_rule_of_a_ratio_is_a_step_and_every_stage_a_module():
    steps = {path.stem for path in (ROOT / "src/cmr2ecg/steps").glob("*.py")}
    assert set(RATIOS) <= steps
    assert {*STAGES} <= {path.stem for path in (ROOT / "tests/bench").glob("*.py")}
