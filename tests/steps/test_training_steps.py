"""The training steps as processes: killed and run again, refused inputs, unchanged by the test labels."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from finetune_setups import SETTINGS
from safetensors.torch import load_file

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mae_settings(small_models, ecg_augment):
    method = {
        "seed": 0,
        "epochs": 8,
        "batch_size": 4,
        "mask_ratio": 0.6,
        "loss": "all_patches",
        "ncc_weight": 0.0,
        "base_lr": 1e-3,
        "lr_reference_batch": 4,
        "warmup_fraction": 0.1,
        "weight_decay": 0.05,
        "betas": [0.9, 0.95],
        "select": "last",
        "augment": ecg_augment,
    }
    return {"method": method, "models": small_models, "device": "cpu", "precision": "fp32"}


def command(step: str, settings: dict, **arguments) -> list[str]:
    values = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", f"cmr2ecg.steps.{step}", "--settings", json.dumps(settings), *values]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


def lines(metrics: Path) -> list[dict]:
    """Return the finished epochs without what was measured by a clock."""
    if not metrics.exists():
        return []
    rows = [json.loads(text) for text in metrics.read_text().splitlines()]
    return [{key: row[key] for key in row.keys() - {"epoch_seconds", "data_wait_share"}} for row in rows]


@pytest.mark.long
def test_a_pre_training_killed_at_random_moments_ends_bit_for_bit_the_same(small_dataset, mae_settings, tmp_path):
    mae_settings["method"]["epochs"] = 10
    files = {"dataset": small_dataset / "dataset.h5", "split": small_dataset / "split.csv"}
    whole = command("pretrain_mae", mae_settings, **files, output=tmp_path / "whole")
    subprocess.run(whole, env=environment(), check=True, timeout=120)

    cut = command("pretrain_mae", mae_settings, **files, output=tmp_path / "cut", log=tmp_path / "cut.log")
    metrics, chance = tmp_path / "cut/metrics.jsonl", random.Random()
    for _ in range(2):
        done, process = len(lines(metrics)), subprocess.Popen(cut, env=environment())
        while len(lines(metrics)) <= done:
            assert process.poll() is None, "the training ended before it could be killed"
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.15))  # within training, validation or the writing of the next epoch
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "cut/result.json").exists()
    finished = len(lines(metrics))
    subprocess.run(cut, env=environment(), check=True, timeout=120)

    resumed = (tmp_path / "cut.log").read_text().split("resuming after epoch ")[1]
    assert finished - 1 <= int(resumed.split()[0]) <= finished  # metrics.jsonl is written first
    assert sorted(path.name for path in (tmp_path / "cut").iterdir() if not path.name.startswith(".")) == [
        "autoencoder.safetensors",
        "encoder.safetensors",
        "metrics.jsonl",
        "result.json",
        "resume.pt",
    ]
    assert lines(metrics) == lines(tmp_path / "whole/metrics.jsonl")
    for name in ("encoder", "autoencoder"):
        a, b = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("whole", "cut"))
        assert all((a[key] == b[key]).all() for key in a)


def test_a_pre_training_that_ended_unnoticed_is_not_trained_again(small_dataset, mae_settings, tmp_path):
    """Snakemake, killed before it noted the end of a job, deletes the outputs and runs the job again."""
    files = {"dataset": small_dataset / "dataset.h5", "split": small_dataset / "split.csv"}
    run = command("pretrain_mae", mae_settings, **files, output=tmp_path / "mae", log=tmp_path / "mae.log")
    subprocess.run(run, env=environment(), check=True, timeout=120)
    outputs = [path for path in (tmp_path / "mae").iterdir() if path.name not in ("resume.pt", "result.json")]
    before = {path: path.read_bytes() for path in outputs}
    for path in outputs:
        path.unlink()
    subprocess.run(run, env=environment(), check=True, timeout=120)
    assert {path: path.read_bytes() for path in outputs} == before  # metrics.jsonl holds the times of the first run
    assert "resuming after epoch 8" in (tmp_path / "mae.log").read_text()


@pytest.fixture
def finetune_run(small_dataset, small_models, ecg_augment, tmp_path):
    """Run the fine-tuning step in this process on a labels file and return its predictions."""
    from cmr2ecg.steps.finetune import main

    method = {**SETTINGS, "epochs": 2, "augment": ecg_augment}
    settings = {"method": method, "models": small_models, "device": "cpu", "precision": "fp32"}
    settings |= {"blocks": 1, "draws": 1}

    def run(labels: Path, name: str) -> pd.DataFrame:
        files = {"dataset": small_dataset / "dataset.h5", "split": small_dataset / "split.csv", "labels": labels}
        files |= {
            "subsets": small_dataset,
            "phenotypes": small_dataset / "phenotypes.parquet",
            "output": tmp_path / name,
        }
        main(command("finetune", settings, encoder="supervised", fits="cad/100", **files)[3:])
        return pd.read_parquet(tmp_path / name / "cad/100/predictions.parquet")

    return run


def test_test_labels_change_no_score_and_runs_repeat_exactly(small_dataset, finetune_run, tmp_path):
    """Poisoned test labels reach y_true of the test rows and nothing else."""
    first = finetune_run(small_dataset / "labels.parquet", "first")
    labels = pd.read_parquet(small_dataset / "labels.parquet")
    test = pd.read_csv(small_dataset / "split.csv").query("split == 'test'")["eid"]
    labels["cad"] = labels["cad"].where(~labels["eid"].isin(test), 1 - labels["cad"])
    labels.to_parquet(tmp_path / "poisoned.parquet")
    poisoned = finetune_run(tmp_path / "poisoned.parquet", "poisoned")
    pd.testing.assert_frame_equal(first.drop(columns="y_true"), poisoned.drop(columns="y_true"))
    flipped = first["y_true"] != poisoned["y_true"]
    assert set(first.loc[flipped, "split"]) == {"test"} and flipped.sum() == (first["split"] == "test").sum()


def test_an_encoder_of_another_size_is_refused_in_one_line(small_dataset, mae_settings, small_models, tmp_path):
    from safetensors.torch import save_file
    from torch import zeros

    save_file({"cls_token": zeros(1, 1, 384)}, tmp_path / "big.safetensors")
    mae_settings["method"] |= {"temperature": 0.1, "image_weight": 0.75, "drop_path": 0.0, "augment_probability": 1.0}
    arguments = {
        "dataset": small_dataset / "dataset.h5",
        "split": small_dataset / "split.csv",
        "output": tmp_path / "out",
        "cmr-encoder": tmp_path / "big.safetensors",
    }
    done = subprocess.run(
        command("pretrain_mmcl", mae_settings, **arguments),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1
    assert "weights of another network; check config models" in done.stderr
