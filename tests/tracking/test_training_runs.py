"""What a tracker is shown of a training: flat settings, curves by epoch, test numbers, and no participant."""

import json
from hashlib import sha256

import pandas as pd
import pytest
from report.report_cohort import provenance, write_study

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tracking.training_runs import flatten, read_curves, read_run

METRICS = pd.DataFrame(
    [("mmcl", "cad", 100, seed, "test", "auroc", value, 40, 8) for seed, value in ((0, 0.6), (101, 0.8))]
    + [
        ("mmcl", "cad", 100, 0, "val", "auroc", 0.1, 40, 8),
        ("mmcl", "cad", 10, 0, "test", "auroc", 0.1, 40, 8),
    ],
    columns=["encoder", "target", "fraction", "seed", "split", "metric", "value", "n", "n_positive"],
).assign(fit="finetune", output="cad")


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path, encoders=("mmcl",), targets=("cad",), fractions=(100,))[0].parent


def test_settings_become_flat_strings():
    nested = {"a": {"b": {"c": 1e-6}, "d": [0.9, 0.95]}, "e": "cosine", "f": None}
    assert flatten(nested) == {"a.b.c": "1e-06", "a.d": "[0.9, 0.95]", "e": "cosine", "f": "null"}


def test_a_fine_tuning_shows_settings_test_metrics_and_tags(folder):
    (folder / "model.safetensors").write_bytes(b"weights")
    run = read_run(folder / "result.json", METRICS)
    assert (run.name, run.stage, run.output) == ("mmcl/cad/100", "finetune", str(folder))
    assert run.parameters["augment.noise"] == "0.2"
    assert run.parameters["seeds"] == "[0, 101, 202]"
    assert run.numbers["test_auroc"] == pytest.approx(0.7)
    assert run.numbers["test_auroc_std"] == pytest.approx(0.2 / 2**0.5)
    assert run.numbers["best_val_auroc"] == pytest.approx(0.72)
    assert run.tags["commit"] == "0123abcd"
    assert run.tags["weights.model"] == str(folder / "model.safetensors")
    assert run.tags["weights.model.sha256"] == sha256(b"weights").hexdigest()
    assert run.datasets == [("split", "results/demo/split_subjects/split.csv", "a" * 64)]


def test_a_run_of_other_data_is_another(folder):
    run, path = read_run(folder / "result.json", METRICS), folder / "result.json"
    path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    assert read_run(path, METRICS).digest() != run.digest()


def test_a_pre_training_has_no_test_metrics(tmp_path):
    result = {"step": "pretrain_mae", "name": "mae", "settings": {}, "seed": 0, "validation": {"loss": 0.3}}
    (tmp_path / "result.json").write_text(json.dumps(result | {"parameters": 9, "provenance": provenance()}))
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 0, "train_loss": 1.5}\n{"epoch": 1, "train_loss": 0.5}\n')
    run = read_run(tmp_path / "result.json", METRICS)
    assert run.stage == "pretrain"
    assert not any(name.startswith("test_") for name in run.numbers)
    assert run.curves == [("train_loss", 0, 1.5), ("train_loss", 1, 0.5)]


def test_curves_are_means_over_the_seeds_that_reached_the_epoch(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [(0, 1, 4.0), (1, 0, 5.0), (0, 0, 2.0), (0, 0, 3.0)]
    lines = [{"epoch": epoch, "seed": seed, "loss": loss, "learning_rate": 0.1} for epoch, seed, loss in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(read_curves(path)) == [
        ("learning_rate", 0, 0.1),
        ("loss", 0, 3.5),
        ("learning_rate", 1, 0.1),
        ("loss", 1, 5.0),
        ("loss/seed_0", 0, 3.0),
        ("loss/seed_1", 0, 4.0),
        ("loss/seed_0", 1, 5.0),
    ]


def test_digest_follows_the_content_only(folder):
    before = read_run(folder / "result.json", METRICS).digest()
    (folder / "result.json").touch()
    assert read_run(folder / "result.json", METRICS).digest() == before
    assert read_run(folder / "result.json", METRICS.assign(value=0.5)).digest() != before


def test_a_result_that_lacks_something_is_refused_by_name(folder):
    (folder / "result.json").write_text('{"step": "finetune"}')
    with pytest.raises(InputError, match=r"result\.json.*provenance"):
        read_run(folder / "result.json", METRICS)
