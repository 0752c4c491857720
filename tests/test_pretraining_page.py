"""docs/pretraining.md: its numbers are those the code gives, its settings those of the config."""

import importlib.util
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def page_module():
    spec = importlib.util.spec_from_file_location("update_pretraining", ROOT / "docs/update_pretraining.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_parameters_on_the_page_are_counted():
    module = page_module()
    text = module.PAGE.read_text(encoding="utf-8")
    assert module.replaced(text, "parameters", module.parameters()) == text


def test_curves_and_costs_come_from_the_files_of_a_run(tmp_path, monkeypatch):
    module = page_module()
    result = {"n_train": 270, "epochs": 2, "learning_rate": 1e-3, "epoch_seconds": 1.25, "collapsed": []}
    result |= {"validation": {"loss": 0.5}}
    rows = [{"epoch": epoch, "train_loss": 1.0 - epoch / 4, "val_loss": 1.0} for epoch in range(2)]
    monkeypatch.setattr(module, "CURVES", tmp_path / "curves.png")
    assert "| BYOL | 270 | 2 | 0.001 | 1.25 | 0.500 | no |" in module.demo({"BYOL": (result, rows)})
    module.draw({"BYOL": (result, rows), "MAE": (result, rows)})
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_rows_of_the_authors_values_agree_with_their_overlay():
    authors = yaml.safe_load((ROOT / "config/authors.yaml").read_text())["pretrain"]
    text = (ROOT / "docs/pretraining.md").read_text(encoding="utf-8")
    assert re.search(r"BYOL: τ, rate, decay \| 0.9996, 1e-5, 1e-4 \| rate 3e-5\*", text)
    assert authors["contrastive"]["byol"]["base_lr"] == 3e-5
    assert "| base rate* | best of 3e-5, 1e-4, 3e-4, 1e-3 | 1e-4 |" in text
    assert authors["mmcl"]["base_lrs"] == [1e-4]
