"""Two real processes give the loss, gradients and statistics of one; only the first writes; none is left hanging."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from training.pretrain.small_objectives import OBJECTIVES, small_settings

from cmr2ecg.runtime.command import InputError
from cmr2ecg.training import epoch as epochs
from cmr2ecg.training.distributed import SyncedBatchNorm, check_gpus, gather, slice_of, synchronise
from cmr2ecg.training.epoch import epoch_batches, steps_in_epoch

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TORCHRUN_STEP = [*TORCHRUN, "-m", "--"]  # as LAUNCH in workflow/rules/common.smk
CONTRASTIVE = sorted(set(OBJECTIVES) - {"mae"})


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def compared(small_models) -> dict:
    """What compare_processes.py finds in two processes, for every objective."""
    command = [*TORCHRUN, str(Path(__file__).with_name("compare_processes.py")), json.dumps(small_models)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["world"] == 2
    return report["found"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_processes_equal_one(compared, name):
    found = compared[name]
    assert found["together"] == pytest.approx(found["whole"], rel=1e-5)
    assert found["drawn_error"] < 1e-5
    assert found["gradient_error"] < 5e-3  # rounding, in tensors whose gradient is near 0
    assert found["buffer_error"] < 1e-5


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CONTRASTIVE)
def test_the_comparison_would_notice_processes_that_do_not_talk(compared, name):
    found = compared[name]
    assert abs(found["separate"] - found["whole"]) > 1e-2
    assert found["separate_gradient_error"] > 0.05


def mae_command(small_dataset: Path, small_models: dict, output: Path, epochs: int) -> list[str]:
    settings = {"method": small_settings("mae", epochs), "models": small_models, "device": "cpu", "precision": "fp32"}
    step = ["cmr2ecg.steps.pretrain_mae", "--settings", json.dumps(settings), "--output", str(output)]
    data = ["--dataset", str(small_dataset / "dataset.h5"), "--split", str(small_dataset / "split.csv")]
    return [*TORCHRUN_STEP, *step, *data, "--threads", "2", "--log", str(output.with_suffix(".log"))]


def children(parent: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_killed_process_ends_the_others_and_the_next_run_goes_on(small_dataset, small_models, tmp_path):
    command = mae_command(small_dataset, small_models, tmp_path / "mae", epochs=25)
    running = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    metrics = tmp_path / "mae/metrics.jsonl"
    deadline = time.monotonic() + 120
    while not metrics.exists() and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.02)
    os.kill(children(running.pid)[1], signal.SIGKILL)
    killed = time.monotonic()
    assert running.wait(timeout=100) != 0
    assert time.monotonic() - killed < 60
    running.communicate()
    assert (tmp_path / "mae/resume.pt").exists()
    subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=200)
    log = (tmp_path / "mae.log").read_text()
    assert log.count("resuming after epoch") == 1 and log.count("25/25") == 1
    result = json.loads((tmp_path / "mae/result.json").read_text())
    assert result["provenance"]["processes"] == 2 and len(metrics.read_text().splitlines()) == 25
    assert sorted(path.name for path in (tmp_path / "mae").iterdir()) == [
        "autoencoder.safetensors",
        "encoder.safetensors",
        "metrics.jsonl",
        "result.json",
        "resume.pt",
    ]
    assert all(value.isfinite().all() for value in load_file(tmp_path / "mae/encoder.safetensors").values())


def test_one_process_gathers_nothing():
    z = torch.randn(3, 2)
    assert gather(z) is z


def test_slices_are_equal_and_in_order():
    assert [list(slice_of(range(7), here, 3)) for here in range(3)] == [[0, 1], [2, 3], [4, 5, 6]]


@given(st.integers(1, 700), st.integers(1, 64), st.integers(1, 4))
def test_the_batches_of_an_epoch_are_of_equal_size(subjects, batch_size, processes):
    size = min(batch_size, subjects) // processes * processes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "world", lambda: processes)
        if not size:
            with pytest.raises(InputError, match="training subjects are too few"):
                epoch_batches(subjects, batch_size, 0, 0, full_batches=False)
            return
        batches = epoch_batches(subjects, batch_size, 0, 0, full_batches=False)
        full = epoch_batches(subjects, batch_size, 0, 0, full_batches=True)
    sizes = [len(batch) for batch in batches]
    assert sorted(np.concatenate(batches)) == list(range(subjects))
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= processes
    if processes == 1:
        assert max(sizes) <= size and len(batches) == steps_in_epoch(subjects, batch_size, full_batches=False)
    assert {len(batch) for batch in full} == {size} and len(full) == subjects // size
    assert len(np.unique(np.concatenate(full))) == len(full) * size


def test_a_last_batch_is_never_a_fraction_of_the_others():
    assert [len(batch) for batch in epoch_batches(162, 32, 0, 0, full_batches=False)] == [27] * 6
    assert {len(batch) for batch in epoch_batches(642, 32, 0, 0, full_batches=False)} == {30, 31}


def test_a_process_without_a_gpu_of_its_own_is_refused():
    check_gpus(4, 4)
    with pytest.raises(InputError, match=r"4 processes want a GPU each, but there are 1; lower processes\.pretrain"):
        check_gpus(1, 4)


def test_synchronised_batch_norm_keeps_parameters_buffers_and_output():
    plain = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3)))
    parameters, state = list(plain.parameters()), {key: value.clone() for key, value in plain.state_dict().items()}
    x = torch.randn(4, 2, 5, 5)
    wanted = plain.eval()(x)
    synced = synchronise(plain)
    assert isinstance(synced[1], SyncedBatchNorm) and isinstance(synced[2][0], SyncedBatchNorm)
    assert all(a is b for a, b in zip(synced.parameters(), parameters, strict=True))
    assert synced.state_dict().keys() == state.keys()
    assert torch.equal(synced(x), wanted)
