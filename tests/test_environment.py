"""One set of pins for pip and conda, and clear words where a tool is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.slow
def test_the_environment_holds_the_command(tmp_path):
    """The recipe's own options, into a folder of the test in place of the environment."""
    for folder in (tmp_path / "venv/bin", tmp_path / "clone"):
        folder.mkdir(parents=True)
    (tmp_path / "venv/.installed").touch()
    recipe = make("--dry-run", "--old-file", f"{tmp_path}/venv/.installed", "env", f"VENV={tmp_path}/venv").stdout
    (line,) = [line for line in recipe.splitlines() if line.endswith("--editable .")]
    options = line.split(" -m pip ")[1].split()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    shutil.copytree(ROOT / "src", tmp_path / "clone/src", ignore=shutil.ignore_patterns("__pycache__"))
    options += ["--ignore-installed", "--prefix", str(tmp_path / "prefix")]
    subprocess.run([sys.executable, "-m", "pip", *options], cwd=tmp_path / "clone", check=True)
    (paths,) = (tmp_path / "prefix").rglob("*.pth")
    assert paths.read_text().strip() == str(tmp_path / "clone/src")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "clone/src")}
    command = [tmp_path / "prefix/bin/cmr2ecg", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "cmr2ecg predict my_ecg.xml" in done.stdout


def test_what_pythonpath_names_goes_before_the_installed_package(tmp_path):
    code = "import sys, cmr2ecg.cli; print(cmr2ecg.cli.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(ROOT / "src/cmr2ecg/cli.py")


def test_a_lock_of_a_killed_snakemake_is_explained_with_the_command_that_removes_it(tmp_path):
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    said = "all:\n\t@$(LOCKED)\n"
    command = ["make", "--silent", "-f", "Makefile", "-f", "-", "all", "CONFIG=config/ukb.yaml"]
    run = {"cwd": tmp_path, "input": said, "capture_output": True, "text": True, "check": True}
    assert "give 'make unlock CONFIG=config/ukb.yaml' once" in subprocess.run(command, **run).stdout
    (tmp_path / ".snakemake/locks/0.input.lock").unlink()
    assert subprocess.run(command, **run).stdout == ""


def test_help_lists_the_targets():
    text = make("help").stdout
    assert all(name in text for name in ("demo", "test", "ui", "report", "lint", "bench"))
