"""The best of several base learning rates is taken, and the others stand beside it."""

import json

import pytest

from cmr2ecg.steps.select_mmcl import main
from cmr2ecg.training.pretrain.candidates import ranked


def result(rate: float, loss: float, collapsed: tuple[str, ...] = ()) -> dict:
    return {
        "name": f"{rate:g}",
        "settings": {"method": {"base_lr": rate}},
        "learning_rate": 2 * rate,
        "selected_epoch": 3,
        "validation": {"loss": loss},
        "collapsed": list(collapsed),
    }


def test_the_lowest_loss_is_first_and_the_lower_rate_of_equals():
    assert ranked([result(1e-3, 2.0), result(1e-4, 1.0), result(3e-5, 1.0)]) == [2, 1, 0]


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"base_lr 0\.001"):
        ranked([result(1e-3, float("nan")), result(1e-4, 1.0)])


def test_the_step_copies_the_best_and_lists_all(tmp_path):
    for rate, loss in ((1e-3, 2.0), (1e-4, 1.5)):
        folder = tmp_path / "mmcl/candidates" / f"{rate:g}"
        folder.mkdir(parents=True)
        (folder / "encoder.safetensors").write_text(f"weights of {rate:g}")
        (folder / "metrics.jsonl").write_text(f"metrics of {rate:g}")
        (folder / "result.json").write_text(json.dumps(result(rate, loss, ("encoder",) if rate == 1e-3 else ())))
    main(["--output", str(tmp_path / "mmcl"), "--candidates", "0.001", "0.0001"])
    assert (tmp_path / "mmcl/encoder.safetensors").read_text() == "weights of 0.0001"
    assert (tmp_path / "mmcl/metrics.jsonl").read_text() == "metrics of 0.0001"
    taken = json.loads((tmp_path / "mmcl/result.json").read_text())
    assert (taken["name"], taken["learning_rate"], taken["collapsed"]) == ("mmcl", 2e-4, [])
    shown = [(row["base_lr"], row["val_loss"], row["selected"], row["collapsed"]) for row in taken["candidates"]]
    assert shown == [(1e-4, 1.5, True, []), (1e-3, 2.0, False, ["encoder"])]
