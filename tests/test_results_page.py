"""docs/results.md: its blocks are made from the files of a run, whatever they say."""

import importlib.util
import json
import math
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
GROUPS = ("lv", "rv", "wt", "ecc", "err")
KEYS = ["fit", "encoder", "target", "fraction"]


@pytest.fixture
def page(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("update_results", ROOT / "docs/update_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STUDY", tmp_path)
    (tmp_path / "evaluate").mkdir()
    write(module, "untrained", [], [*KEYS, "reason"])
    return module


def write(page, name, rows, columns=None):
    pd.DataFrame(rows, columns=columns).to_csv(page.STUDY / f"evaluate/{name}.csv", index=False)


def compare(page, pairs, low, name="comparisons", part=100):
    """Write comparisons in which the interval of every difference begins at low[target] and ends .1 above."""
    rows = [
        dict(zip(("fit", "encoder", "other_fit", "other_encoder"), (*first, *second), strict=True))
        | {"target": target, "fraction": part, "difference": value + 0.05, "low": value, "high": value + 0.1}
        for first, second in pairs
        for target, value in low.items()
    ]
    write(page, name, rows)


def cells_of(text):
    return {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if line.startswith("|")}


def test_the_page_has_a_place_for_every_block(page):
    text = page.PAGE.read_text(encoding="utf-8")
    for block in page.BLOCKS:
        assert "new" in page.replaced(text, block, "new").split(f"<!-- {block}: ")[1].split("<!-- end of")[0]
    assert text.count("<!-- end of ") == len(page.BLOCKS)
    for name in page.FIGURES:
        assert f"(images/study_{name}.png)" in text


def test_the_bar_counts_intervals_above_and_below_zero(page):
    low = {"cad": 0.01, "af": -0.01, "dm": -0.2} | dict.fromkeys(GROUPS, 0.1)
    pairs = [pair for _, name, pair in page.BAR if name == "comparisons"]
    compare(page, pairs, low)
    compare(page, [], {}, "adjusted_comparisons")
    write(page, "adjusted_comparisons", [], ["fit", "encoder", "other_fit", "other_encoder", "target", "fraction"])
    lines = page.bar().splitlines()[2:]
    assert len(lines) == len(page.BAR)
    for line, (_, name, _) in zip(lines, page.BAR, strict=True):
        cells = "| 1 (1) of 3 | – | 5 of 5 | – |" if name == "comparisons" else "| – | – | – | – |"
        assert line.endswith(cells)


def test_differences_are_in_percent_for_diseases_bold_off_zero_and_marked(page):
    compare(page, page.FINE_TUNED, {"cad": -0.01, "af": -0.2, "lv": 0.012})
    write(page, "untrained", [("finetune", "supervised_cnn", "cad", 100, "few steps")], [*KEYS, "reason"])
    cells = cells_of(page.differences())
    assert cells["CAD, 100 %"][0].strip() == "+4.0 [−1.0, +9.0]"
    assert cells["CAD, 100 %"][1].strip() == "+4.0 [−1.0, +9.0]†"
    assert cells["AF, 100 %"][0].strip() == "**−15.0 [−20.0, −10.0]**"
    assert cells["LV, 100 %, r"][0].strip() == "**+0.062 [+0.012, +0.112]**"
    assert cells["CAD, 10 %"][0].strip() == "–"


def test_a_difference_is_found_the_other_way_round(page):
    compare(page, [(page.probe("mmcl"), page.probe("mmcl_more_ecgs"))], {"lv": 0.012})
    rows = page.compared()
    turned = rows[page.probe("mmcl_more_ecgs"), page.probe("mmcl"), "lv", 100]
    assert turned[["difference", "low", "high"]].tolist() == pytest.approx([-0.062, -0.112, -0.012])


def test_scores_have_their_spread_and_mark(page):
    row = {"fit": "probe", "encoder": "mae", "fraction": 100, "split": "test", "n_seeds": 3}
    rows = [row | {"target": "cad", "mean": 0.71234, "std": 0.01}, row | {"target": "lv", "mean": 0.5, "std": 0.0123}]
    write(page, "intervals", rows)
    write(page, "untrained", [("probe", "mae", "lv", 100, "below")], [*KEYS, "reason"])
    cells = [cell.strip() for cell in cells_of(page.probed())["MAE"]]
    assert cells[0] == "–"  # the last table is of 10 %
    whole = page.probed().split("**10 %")[0]
    assert [cell.strip() for cell in cells_of(whole)["MAE"]][:4] == ["71.2 ± 1.0", "–", "–", "0.500 ± 0.012†"]


def test_chance_loss_is_that_of_equal_similarities(page):
    assert page.chance_loss(256, 128) == pytest.approx(math.log(128))
    assert page.chance_loss(3, 2) == pytest.approx(2 * math.log(2) / 3)


def test_minutes_are_those_of_the_studys_jobs(page, tmp_path, monkeypatch):
    records = tmp_path / ".snakemake/metadata"
    records.mkdir(parents=True)
    jobs = [
        ("pretrain_mmcl", "study/logs/pretrain_mmcl/mmcl_without_mdm/0.001", 600),
        ("pretrain_mmcl", "study/logs/pretrain_mmcl/mmcl_seed_2/0.001", 300),
        ("pretrain_mae", "demo/logs/pretrain_mae/mae", 60),
        ("finetune_mmcl", "study/logs/finetune/mmcl/cad/10", 60),
        ("finetune_cmr_supervised", "study/logs/finetune/cmr_supervised/cad/100", 30),
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
