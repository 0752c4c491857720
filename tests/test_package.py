"""The package as `pip install cmr2ecg` gives it: small, without torch, and able to predict, draw a page and embed."""

import csv
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from packaging.requirements import Requirement
from release_setups import make_release

from cmr2ecg import __version__
from cmr2ecg.predict.onnx_file import example_record
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.packages import CORE, check_core

ROOT = Path(__file__).resolve().parents[1]
MOST_MB = 600


def test_the_core_is_what_pyproject_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert tuple(sorted(Requirement(name).name for name in project["dependencies"])) == CORE
    check_core()


def test_a_missing_package_is_no_fault_of_the_ecg(monkeypatch):
    monkeypatch.setattr("cmr2ecg.runtime.packages.find_spec", lambda name: None if name == "scipy" else object())
    with pytest.raises(InputError, match="the Python package scipy is not installed here: pip install cmr2ecg"):
        check_core()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A virtual environment with the wheel of this clone and the pins of its core, and a folder with an ECG."""
    folder = tmp_path_factory.mktemp("package")
    clone, venv = folder / "clone", folder / "venv"
    clone.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(clone)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    outside = {"env": alone(), "check": True}
    install = [str(venv / "bin/pip"), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--require-hashes", "-r", str(ROOT / "envs/requirements-predict.txt")], **outside)
    subprocess.run([*install, *map(str, folder.glob("*.whl"))], **outside)
    np.save(folder / "ecg.npy", example_record(5000)[0])
    return folder


def alone():
    """The process's variables without those that lead to this clone."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def call(folder, *arguments):
    command = [str(folder / "venv/bin/cmr2ecg"), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=alone(), capture_output=True, text=True, check=True)


@pytest.mark.long
def test_the_wheel_predicts_draws_a_page_and_embeds(installed, tmp_path):
    release = make_release(tmp_path, targets=("cad", "lv"), onnx=True)
    assert call(installed, "--version").stdout == f"cmr2ecg {__version__}\n"
    options = ("ecg.npy", "--rate", 500, "--model", release, "--out")
    call(installed, "predict", *options, tmp_path / "out")
    with open(tmp_path / "out/predictions.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["status"] == "predicted" and 0 < float(row["cad_risk"]) < 1
    assert (tmp_path / "out/pages/ecg.pdf").read_bytes().startswith(b"%PDF")
    call(installed, "embed", *options, tmp_path / "out/embeddings.h5")
    with h5py.File(tmp_path / "out/embeddings.h5") as file:
        assert file["embedding"].shape == (1, 16)


@pytest.mark.long
def test_its_environment_is_small(installed):
    files = [path for path in (installed / "venv").rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_MB * 1e6
    names = {path.name for path in (installed / "venv").rglob("site-packages/*")}
    assert "onnxruntime" in names and not {"torch", "pandas", "pyarrow", "snakemake"} & names


@pytest.mark.long
def test_what_the_core_cannot_do_names_what_it_needs(installed, tmp_path):
    release = make_release(tmp_path, targets=("cad",), onnx=False)
    for command, out, words in (
        ("predict", "out", "the Python package torch is not installed here: pip install 'cmr2ecg[train]'"),
        ("embed", "e.parquet", "the Python package pyarrow is not installed here: pip install pyarrow"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as error:
            call(installed, command, "ecg.npy", "--rate", 500, "--model", release, "--out", tmp_path / out)
        assert words in error.value.stderr and "Traceback" not in error.value.stderr
