"""docs/results.md: its blocks are made from the files of a run, whatever they say."""

import importlib.util
import json
import math
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
TARGETS = [("cad", 10), ("af", 10), ("dm", 10), *((group, 100) for group in ("lv", "rv", "wt", "ecc", "err"))]


@pytest.fixture
def page(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("update_results", ROOT / "docs/update_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STUDY", tmp_path)
    (tmp_path / "evaluate").mkdir()
    return module


def compare(page, low):
    """Write comparisons in which the interval of every difference begins at low[target]."""
    keys = ("fit", "encoder", "other_fit", "other_encoder")
    rows = [
        {**dict(zip(keys, pair, strict=True)), "target": target, "fraction": fraction}
        | {"difference": low[target] + 0.05, "low": low[target], "high": low[target] + 0.1}
        for pair in (*page.FITTED, *page.PROBED, *page.SHUFFLED["finetune"], *page.SHUFFLED["probe"])
        for target, fraction in TARGETS
    ]
    pd.DataFrame(rows).to_csv(page.STUDY / "evaluate/comparisons.csv", index=False)


def test_the_page_has_a_place_for_every_block(page):
    text = page.PAGE.read_text(encoding="utf-8")
    for block in page.BLOCKS:
        assert "new" in page.replaced(text, block, "new").split(f"<!-- {block}: ")[1].split("<!-- end of")[0]
    assert text.count("<!-- end of ") == len(page.BLOCKS) + 1  # draws, of docs/subset_draws.py


def test_the_bar_counts_intervals_above_zero(page):
    compare(page, {"cad": 0.01, "af": -0.01, "dm": 0.0, "lv": 0.1, "rv": 0.1, "wt": 0.1, "ecc": 0.1, "err": -0.1})
    lines = page.bar().splitlines()[2:]
    assert len(lines) == 7
    assert all(line.endswith("| 1 of 3 | 4 of 5 |") for line in lines)


def test_differences_are_in_percent_for_diseases_and_bold_above_zero(page):
    compare(page, dict.fromkeys(dict(TARGETS), -0.01) | {"lv": 0.012})
    lines = {line.split("|")[1].strip(): line for line in page.differences().splitlines() if "|" in line}
    assert "+4.0 [−1.0, +9.0]" in lines["CAD, 10 %"] and "**" not in lines["CAD, 10 %"]
    assert "**+0.062 [+0.012, +0.112]**" in lines["LV, r"]
    assert "| – |" in lines["CAD, 1 %"]


def test_chance_loss_is_that_of_equal_similarities(page):
    assert page.chance_loss(256, 128) == pytest.approx(math.log(128))
    assert page.chance_loss(3, 2) == pytest.approx(2 * math.log(2) / 3)


def test_minutes_are_those_of_the_studys_jobs(page, tmp_path, monkeypatch):
    records = tmp_path / ".snakemake/metadata"
    records.mkdir(parents=True)
    jobs = [
        ("pretrain_mmcl", "study/logs/pretrain_mmcl/mmcl_without_mdm/0.001", 600),
        ("pretrain_mmcl", "study/logs/pretrain_mmcl/mmcl_tau_05/0.001", 300),
        ("pretrain_mae", "demo/logs/pretrain_mae/mae", 60),
        ("finetune_mmcl", "study/logs/finetune/mmcl/cad/10", 60),
        ("finetune_mmcl", "study/logs/finetune/mmcl/cad/1", 30),
        ("finetune_mmcl", "study/logs/finetune/mmcl/lv/100", 30),
    ]
    for number, (rule, log, seconds) in enumerate(jobs):
        record = {"rule": rule, "log": [f"results/{log}.log"], "starttime": 0, "endtime": seconds}
        (records / str(number)).write_text(json.dumps(record))
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.setattr(page, "ROOT", tmp_path)
    lines = page.costs().splitlines()[2:]
    assert lines[0] == "| pre-training | 15.0 | 10.0 |"
    assert lines[1] == "| fine-tuning | 2.0 | 1.0 |"
    assert lines[2:] == ["| all | 17.0 | 11.0 |", "| minutes of 2 cores | 8 | 6 |"]
