"""Run Snakemake in a copy of the repository and ask it what it would rerun."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TINY = "tests/workflow/tiny.yaml"
PARTS = ("Snakefile", "workflow", "config", "src", "profiles", "envs", TINY)


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Snakemake in `folder` as a user would, with the demo's settings replaced by the tiny ones unless told."""
    return subprocess.run(**called(folder, *arguments), capture_output=True, text=True, timeout=800)


def called(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return what subprocess is told to run Snakemake in `folder`."""
    settings = [] if "--configfile" in arguments else ["--configfile", TINY]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *settings, *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"XDG_CACHE_HOME": str(folder / ".cache"), "OMP_NUM_THREADS": "1"}
    return {"args": command, "cwd": folder, "env": environment}


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Return {rule: jobs} that a dry run plans, without `all`; empty if there is nothing to be done.

    Rules that exist once an encoder, such as finetune_mmcl, count as one: finetune.
    """
    done = snakemake(folder, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:")[1].split("\n\n")[0]
    jobs: dict[str, int] = {}
    for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE):
        rule = re.sub(r"^(finetune|probe)_.*", r"\1", name)
        if rule not in ("all", "total"):
            jobs[rule] = jobs.get(rule, 0) + int(count)
    return jobs


def copy_repository(target: Path) -> None:
    for part in PARTS:
        source = ROOT / part
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / part)
