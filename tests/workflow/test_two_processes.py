"""Every pre-training, started by its rule in two processes (gloo), learns what one process learns."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from drive_snakemake import TINY, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.long]
FOLDERS = {
    "pretrain_mae": "pretrain_mae/mae",
    "pretrain_contrastive": "pretrain_contrastive/byol",
    "pretrain_cmr": "pretrain_cmr/simclr",
    "pretrain_mmcl": "pretrain_mmcl/mmcl/candidates/0.001",
}
# A number of GPUs is a number of processes; on processors (device: cpu) the resource `processes` says it.
RESOURCES = ["pretrain_mae:gpu=2", *(f"{rule}:processes=2" for rule in list(FOLDERS)[1:])]


# Batch norm over eight small images passes rounding on, larger at each step; tests/training/test_processes.py compares
# the steps themselves.
TOLERANCE = {"pretrain_cmr": 1e-2}
# More than the one step that the tiny study makes of some, whose learning rate is 0.
LONGER = {
    "epochs: 1, batch_size: 16": "epochs: 3, batch_size: 8",
    "epochs: 2, batch_size: 16": "epochs: 3, batch_size: 8",
}


@pytest.fixture(scope="module")
def results(finished, tmp_path_factory):
    """The tiny study's results after its pre-trainings ran in one process, kept in `one`, and again in two."""
    folder = tmp_path_factory.mktemp("processes") / "copy"
    shutil.copytree(finished, folder)
    lengthen(folder / TINY)
    targets = {rule: f"results/tiny/{path}/result.json" for rule, path in FOLDERS.items()}
    run(folder, "--", *targets.values())
    for path in FOLDERS.values():
        shutil.copytree(folder / "results/tiny" / path, folder / "one" / path)
    # MMCL first, so that it starts from the same encoders in both cases.
    for rules in (["pretrain_mmcl"], [rule for rule in FOLDERS if rule != "pretrain_mmcl"]):
        again = ["--forcerun", *rules, "--set-resources", *RESOURCES]
        run(folder, *again, "--", *(targets[rule] for rule in rules))
    return folder


def lengthen(config: Path) -> None:
    text = config.read_text()
    for old, new in LONGER.items():
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)


def run(folder: Path, *arguments: str) -> None:
    """Run pre-trainings only: nothing before them has changed."""
    done = snakemake(folder, "--allowed-rules", *FOLDERS, "--show-failed-logs", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def curve(folder: Path) -> np.ndarray:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[row["train_loss"], row["val_loss"], row["learning_rate"]] for row in rows])


@pytest.mark.parametrize("rule", FOLDERS)
def test_the_loss_curve_is_that_of_one_process(results, rule):
    two, one = results / "results/tiny" / FOLDERS[rule], results / "one" / FOLDERS[rule]
    processes = [json.loads((path / "result.json").read_text())["provenance"]["processes"] for path in (two, one)]
    assert processes == [2, 1]
    assert curve(one).shape == (3, 3)
    np.testing.assert_allclose(curve(two), curve(one), rtol=TOLERANCE.get(rule, 1e-3))
