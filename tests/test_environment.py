"""One set of pins for pip and conda, and clear words where a tool is missing."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def test_conda_has_the_pins_of_pip():
    pinned = re.findall(r"^\S+==\S+", (ROOT / "envs/requirements.txt").read_text(), flags=re.MULTILINE)
    dependencies = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())["dependencies"]
    assert len(pinned) > 50
    assert dependencies[-1]["pip"] == pinned


def test_every_wanted_package_is_pinned():
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    wanted = re.findall(r"^[A-Za-z0-9._-]+", (ROOT / "envs/requirements.in").read_text(), flags=re.MULTILINE)
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "envs/requirements.txt").read_text(), flags=re.MULTILINE)
    assert {normal(name) for name in wanted} <= {normal(name) for name in pinned}


def make(*arguments: str) -> subprocess.CompletedProcess:
    command = ["make", "--silent", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_missing_python_is_one_clear_line():
    done = make("env", "PYTHON=python-of-nowhere", "VENV=/nonexistent/venv")
    assert done.returncode != 0
    assert "cmr2ecg needs Python 3.11" in done.stdout and len(done.stdout.strip().splitlines()) == 1


def test_help_lists_the_targets():
    text = make("help").stdout
    assert all(name in text for name in ("demo", "test", "ui", "report", "lint", "bench"))
