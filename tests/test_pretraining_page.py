"""docs/pretraining.md: its numbers are those the code gives, its settings those of the config."""

import json
import re
import sys
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).parents[1] / "docs"))
import pages
import update_pretraining
from pages import ROOT


def test_the_parameters_on_the_page_are_counted():
    text = update_pretraining.PAGE.read_text(encoding="utf-8")
    counted = pages.rendered("pretraining.md", "parameters", update_pretraining.values({}))
    assert pages.replaced(text, "parameters", counted) == text


def test_curves_and_costs_come_from_the_files_of_a_run(tmp_path, monkeypatch):
    result = {"n_train": 270, "epochs": 2, "learning_rate": 1e-3, "epoch_seconds": 1.25, "collapsed": []}
    result |= {"validation": {"loss": 0.5}}
    rows = [{"epoch": epoch, "train_loss": 1.0 - epoch / 4, "val_loss": 1.0} for epoch in range(2)]
    for name, value in {"CURVES": tmp_path / "curves.png", "DEMO": tmp_path}.items():
        monkeypatch.setattr(update_pretraining, name, value)
    assert update_pretraining.finished() == {}
    for folder in ("pretrain_contrastive/byol", "pretrain_mae/mae"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "result.json").write_text(json.dumps(result))
        (tmp_path / folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    runs = update_pretraining.finished()
    assert runs == {"MAE": (result, rows), "BYOL": (result, rows)}
    lines = pages.rendered("pretraining.md", "demo", update_pretraining.values(runs)).splitlines()
    assert lines[3:5] == ["| BYOL | 270 | 2 | 0.001 | 1.25 | 0.500 | no |", ""]
    update_pretraining.draw(runs)
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_rows_of_the_authors_values_agree_with_their_overlay():
    authors = yaml.safe_load((ROOT / "config/authors.yaml").read_text())["pretrain"]
    text = (ROOT / "docs/pretraining.md").read_text(encoding="utf-8")
    assert re.search(r"BYOL: τ, rate, decay \| 0.9996, 1e-5, 1e-4 \| rate 3e-5\*", text)
    assert authors["contrastive"]["byol"]["base_lr"] == 3e-5
    assert "| base rate* | best of 3e-5, 1e-4, 3e-4, 1e-3 | 1e-4 |" in text
    assert authors["mmcl"]["base_lrs"] == [1e-4]
