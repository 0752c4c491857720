"""docs/results.md: its blocks are made from the files of a run, whatever they say."""

import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[1] / "docs"))
import pages
import update_results
from pages import ROOT

GROUPS = ("lv", "rv", "wt", "ecc", "err")
KEYS = ["fit", "encoder", "target", "fraction"]
PAIR = ("fit", "encoder", "other_fit", "other_encoder")
NAME = "results.md"


@pytest.fixture
def page(tmp_path, monkeypatch):
    module = update_results
    monkeypatch.setattr(module, "STUDY", tmp_path)
    (tmp_path / "evaluate").mkdir()
    write(module, "untrained", [], [*KEYS, "reason"])
    for name in ("comparisons", "adjusted_comparisons"):
        write(module, name, [], [*PAIR, "target", "fraction", "difference", "low", "high"])
    return module


def shown(page, block):
    """Return a block as the page has it."""
    return pages.rendered(NAME, block, page.values())


def write(page, name, rows, columns=None):
    pd.DataFrame(rows, columns=columns).to_csv(page.STUDY / f"evaluate/{name}.csv", index=False)


def compare(page, pairs, low, name="comparisons", part=100):
    """Write comparisons in which the interval of every difference begins at low[target] and ends .1 above."""
    rows = [
        dict(zip(PAIR, (word for model in page.models_of(pair) for word in model), strict=True))
        | {"target": target, "fraction": part, "difference": value + 0.05, "low": value, "high": value + 0.1}
        for pair in pairs
        for target, value in low.items()
    ]
    write(page, name, rows)


def cells_of(text):
    return {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if line.startswith("|")}


def test_the_page_has_a_place_for_every_block(page):
    text = page.PAGE.read_text(encoding="utf-8")
    blocks = pages.TEMPLATES.get_template(f"{NAME}.j2").blocks
    for block in blocks:
        assert "new" in pages.replaced(text, block, "new").split(f"<!-- {block}: ")[1].split("<!-- end of")[0]
    assert text.count("<!-- end of ") == len(blocks) > 15
    for name in page.FIGURES:
        assert f"(images/study_{name}.png)" in text


def test_a_rewritten_page_has_new_blocks_and_the_prose_it_had(page, tmp_path):
    compare(page, ["probe:mmcl_shuffled - probe:mae"], {"cad": 0.01})
    text = page.PAGE.read_text(encoding="utf-8")
    copy = tmp_path / NAME
    copy.write_text(text, encoding="utf-8")
    others = pages.TEMPLATES.get_template(f"{NAME}.j2").blocks.keys() - {"negative"}
    pages.rewrite(copy, page.values(), keep=others)
    before, rest = text.split("<!-- negative: written by `make results` -->\n\n")
    after = rest.split("\n\n<!-- end of negative -->")[1]
    new = copy.read_text(encoding="utf-8")
    assert new.startswith(before) and new.endswith(after)
    assert "| CAD, 100 % | **+6.0 [+1.0, +11.0]** |" in new.removeprefix(before).removesuffix(after)
    with pytest.raises(ValueError, match="0 places"):
        pages.replaced(text.replace("<!-- end of negative -->", ""), "negative", "new")


def test_the_bar_counts_intervals_above_and_below_zero(page):
    compare(page, ["probe:mmcl - probe:mae"], {"cad": 0.01, "af": -0.01, "dm": -0.2} | dict.fromkeys(GROUPS, 0.1))
    compare(page, ["finetune:mmcl - finetune:mae"], {"lv": -0.3}, "adjusted_comparisons", part=10)
    first, *lines = shown(page, "bar").splitlines()
    assert first.count("|") == lines[0].count("|") == 7 and len(lines) == 12
    found = {line.split(" | ", 1)[0] + line.split("`")[1]: line.split("` ")[1] for line in lines[1:]}
    assert found["| linear probes: MMCL − MAEcomparisons.csv"] == "| 1 (1) of 3 | – | 5 of 5 | – |"
    assert found["| fine-tuned: MMCL − MAEcomparisons.csv"] == "| – | – | – | – |"
    adjusted = [line for line in lines if "`adjusted_comparisons.csv`" in line]
    assert [line.endswith("| – | – | – | 0 (1) of 1 |") for line in adjusted] == [False, True, False]


FINE_TUNED = (
    "finetune:mmcl - finetune:supervised",
    "finetune:mmcl - finetune:supervised_cnn",
    "finetune:mmcl - finetune:mae",
)


def test_differences_are_in_percent_for_diseases_bold_off_zero_and_marked(page):
    compare(page, FINE_TUNED, {"cad": -0.01, "af": -0.2, "lv": 0.012})
    write(page, "untrained", [("finetune", "supervised_cnn", "cad", 100, "few steps")], [*KEYS, "reason"])
    cells = cells_of(shown(page, "differences"))
    assert cells["CAD, 100 %"][0].strip() == "+4.0 [−1.0, +9.0]"
    assert cells["CAD, 100 %"][1].strip() == "+4.0 [−1.0, +9.0]†"
    assert cells["AF, 100 %"][0].strip() == "**−15.0 [−20.0, −10.0]**"
    assert cells["LV, 100 %, r"][0].strip() == "**+0.062 [+0.012, +0.112]**"
    assert cells["CAD, 10 %"][0].strip() == "–"
    kinds = shown(page, "probe_differences").splitlines()[0]
    assert "| MMCL (ours) (probe) − Supervised ViT (fine-tuned) |" in kinds


def test_a_difference_is_found_the_other_way_round(page):
    compare(page, ["probe:mmcl - probe:mmcl_more_ecgs"], {"lv": 0.012})
    study = page.Study(page.STUDY)
    turned = study.row("comparisons", "probe:mmcl_more_ecgs - probe:mmcl", "lv", 100)
    assert turned == pytest.approx({"difference": -0.062, "low": -0.112, "high": -0.012})
    assert study.difference("probe:mmcl - probe:mmcl_more_ecgs", "lv", 100) == "**+0.062 [+0.012, +0.112]**"


def test_scores_have_their_spread_and_mark(page):
    row = {"fit": "probe", "encoder": "mae", "fraction": 100, "split": "test", "n_seeds": 3}
    rows = [row | {"target": "cad", "mean": 0.71234, "std": 0.01}, row | {"target": "lv", "mean": 0.5, "std": 0.0123}]
    rows += [rows[0] | {"target": "rv", "std": 1e-12}, rows[0] | {"split": "val", "mean": 0.9}]
    write(page, "intervals", rows)
    write(page, "untrained", [("probe", "mae", "lv", 100, "below")], [*KEYS, "reason"])
    whole, tenth = shown(page, "probed").split("**10 %")
    assert [cell.strip() for cell in cells_of(tenth)["MAE"]] == ["–"] * 8
    assert [cell.strip() for cell in cells_of(whole)["MAE"]][:5] == ["71.2 ± 1.0", "–", "–", "0.500 ± 0.012†", "0.712"]


def test_what_an_ecg_adds_stands_below_the_scores_of_the_stacks(page):
    row = {"fit": "stacked", "encoder": "tabular_alone", "fraction": 100, "split": "test", "n_seeds": 3}
    write(page, "intervals", [row | {"target": "cad", "mean": 0.6, "std": 0.01}])
    compare(page, ["stacked:mmcl+tabular - stacked:tabular_alone"], {"err": 0.01})
    lines = shown(page, "added").splitlines()
    assert lines[2] == "| age, sex, weight, height | 60.0 ± 1.0 | – | – | – | – |"
    assert lines[5:] == [
        "| added by Supervised CNN | – | – | – | – | – |",
        "| added by MMCL (ours) | – | – | – | – | **+0.060 [+0.010, +0.110]** |",
    ]


def test_claims_and_marks_are_put_together_by_model(page):
    columns = ["section", "better", "worse", "kind", "target", "fraction", "verdict", "difference"]
    rows = [
        ("V-A", "mmcl", "mae", "above", "cad", 100, "confirmed", 0.1),
        ("V-A", "mmcl", "mae", "above", "af", 10, "confirmed", 0.1),
        ("V-A", "mmcl", "mae", "above", "lv", 100, "reversed", -0.1),
        ("V-B", "mmcl", "cmr_supervised", "level", "dm", 100, "not run", None),
    ]
    (page.STUDY / "make_table").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(page.STUDY / "make_table/table_claims.csv", index=False)
    assert shown(page, "claims").splitlines()[2:] == [
        "| V-A: MMCL (ours) > MAE | CAD 100 %, AF 10 % | – | – | LV | – |"
    ]
    assert shown(page, "marks") == "No model is marked."
    reasons = [
        ("probe", "mae", "cad", 10, "at chance"),
        ("probe", "mae", "lv", 10, "x"),
        ("stacked", "a", "lv", 10, "x"),
    ]
    write(page, "untrained", reasons, [*KEYS, "reason"])
    assert shown(page, "marks").splitlines()[2:] == ["| MAE, probe, 10 % | CAD, LV | at chance |"]


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
    lines = shown(page, "costs").splitlines()[2:]
    assert lines[0] == "| pre-training | 15.0 | 10.0 |"
    assert lines[1] == "| fine-tuning | 2.0 | 1.0 |"
    assert lines[2:] == ["| all | 17.0 | 11.0 |", "| minutes of 2 cores | 8 | 6 |"]
