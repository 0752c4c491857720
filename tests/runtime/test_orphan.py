"""A job ends with the Snakemake that started it, and goes on where that is none of its business."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cmr2ecg.runtime.orphan import VARIABLE, end_with, this_process, wait_for_end

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import time
from cmr2ecg.runtime.command import start, step_parser
start(step_parser("x").parse_args([]))
print("up", flush=True)
time.sleep(60)
"""


def job(owner: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), VARIABLE: owner}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = subprocess.Popen([sys.executable, "-c", JOB], env=environment, text=True, **pipes)
    return started


@pytest.fixture
def owner():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def owned_by(process: subprocess.Popen) -> str:
    return " ".join([str(process.pid), *this_process().split(" ")[1:]])


@pytest.mark.parametrize("reaped", [True, False])
def test_a_job_ends_with_its_owner(owner, reaped):
    with job(owned_by(owner)) as running:
        assert running.stdout.readline() == "up\n"
        os.kill(owner.pid, signal.SIGKILL)
        if reaped:
            owner.wait()
        assert running.wait(timeout=100) == 1
        assert "has ended, so the job ends too" in running.stderr.read()


def test_a_job_that_starts_late_ends_at_once(owner):
    owner.kill()
    owner.wait()
    with job(owned_by(owner)) as running:
        assert running.wait(timeout=100) == 1


def test_an_owner_on_another_machine_is_not_watched(owner):
    end_with(f"{owner.pid} elsewhere pid:[1]")
    owner.kill()
    owner.wait()
    time.sleep(0.2)  # this process would have ended


def test_waiting_works_without_process_descriptors(owner, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr("cmr2ecg.runtime.orphan.LOOK_EVERY", 0.01)
    owner.kill()
    owner.wait()
    wait_for_end(owner.pid)
