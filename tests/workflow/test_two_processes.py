"""Every pre-training, started by its rule in two processes (gloo), learns what one process learns."""

import json
import shutil

import numpy as np
import pytest
from drive_snakemake import snakemake
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow
FOLDERS = {
    "pretrain_mae": "pretrain_mae/mae",
    "pretrain_contrastive": "pretrain_contrastive/byol",
    "pretrain_cmr": "pretrain_cmr/simclr",
    "pretrain_mmcl": "pretrain_mmcl/mmcl/candidates/0.001",
}
# A number of GPUs is a number of processes; on processors (device: cpu) the resource `processes` says it.
RESOURCES = ["pretrain_mae:gpu=2", *(f"{rule}:processes=2" for rule in list(FOLDERS)[1:])]


@pytest.fixture(scope="module")
def two(finished, tmp_path_factory):
    """The tiny study's results after its pre-trainings ran again in two processes each."""
    folder = tmp_path_factory.mktemp("two") / "copy"
    shutil.copytree(finished, folder)
    targets = [f"results/tiny/{path}/result.json" for path in FOLDERS.values()]
    done = snakemake(
        folder, "--forcerun", *FOLDERS, "--set-resources", *RESOURCES, "--show-failed-logs", "--", *targets
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder / "results/tiny"


def curve(folder) -> np.ndarray:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[row["train_loss"], row["val_loss"], row["learning_rate"]] for row in rows])


@pytest.mark.parametrize("rule", FOLDERS)
def test_the_loss_curve_is_that_of_one_process(two, finished, rule):
    here, there = two / FOLDERS[rule], finished / "results/tiny" / FOLDERS[rule]
    processes = [json.loads((path / "result.json").read_text())["provenance"]["processes"] for path in (here, there)]
    assert processes == [2, 1]
    np.testing.assert_allclose(curve(here), curve(there), rtol=1e-4)
    encoders = [load_file(path / "encoder.safetensors") for path in (here, there)]
    assert not all((encoders[0][name] == value).all() for name, value in encoders[1].items()), "one process after all"
