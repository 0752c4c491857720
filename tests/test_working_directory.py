"""Nothing that lies in the working directory is imported, whatever its name, by any way into the program."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("backup", "plan", "tables.field_list", "steps.read_tabular", "steps.make_figure", "verify")
INSTALLED = ("numpy", "scipy", "pandas", "torch", "yaml", "pydantic", "defusedxml", "h5py", "snakemake", "matplotlib")
NAMES = {*sys.stdlib_module_names, *INSTALLED, "sitecustomize", "usercustomize"} - {*sys.builtin_module_names}


def plant(folder: Path, spared: set[str] = frozenset()) -> Path:
    """Put a module of every name into a folder; returns the file to which each writes its name when it is imported."""
    marker = folder / "imported.txt"
    for name in NAMES - spared:
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name + ' '!r})\n")
    return marker


def start(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    whole = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"} | environment
    return subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["cmr2ecg", *(f"cmr2ecg.{name}" for name in MODULES)])
def test_modules_are_safe_where_they_are_called(tmp_path, module):
    # What Python imports for `-m` itself, before anything of ours, only -P or PYTHONSAFEPATH keep out.
    own = subprocess.run(
        [sys.executable, "-c", "import runpy, sys; print(*sys.modules)"], capture_output=True, text=True
    )
    marker = plant(tmp_path, {name.split(".")[0] for name in own.stdout.split()})
    done = start(tmp_path, sys.executable, "-m", module, "--help", PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr
    assert not marker.exists(), marker.read_text()


def test_the_package_leaves_the_search_path_of_others_alone(monkeypatch):
    before = list(sys.path)
    importlib.reload(importlib.import_module("cmr2ecg"))
    assert sys.path == before


def test_make_keeps_the_working_directory_out():
    shown = subprocess.run(
        ["make", "--silent", "-f", "Makefile", "-f", "-", "shown"],
        **{"cwd": ROOT, "input": "shown:\n\t@echo $$PYTHONSAFEPATH", "capture_output": True, "text": True},
    )
    assert shown.stdout.split() == ["1"]


@pytest.mark.slow
def test_snakemake_and_its_jobs_import_nothing_from_the_folder_they_run_in(tmp_path):
    """The clone itself is the working directory."""
    for part in ("Snakefile", "workflow", "config", "src", "profiles", "envs"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, tmp_path / part)
    marker = plant(tmp_path)
    (tmp_path / "cmr2ecg").mkdir()
    (tmp_path / "cmr2ecg/__init__.py").write_text(f"open({str(marker)!r}, 'a').write('cmr2ecg ')\n")
    small = "simulate_cohort: {enabled: true, subjects: 20, frames: 10, slices: 8, matrix: 64, broken: 0}"
    (tmp_path / "small.yaml").write_text(f"cohort: small\n{small}\n")
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", "--configfile", "small.yaml"]
    target = "results/small/index_shard/0.parquet"
    done = start(tmp_path, *command, "--", target, PYTHONPATH=str(tmp_path / "src"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not marker.exists(), marker.read_text()
