"""Which machine, versions and commit a benchmark ran on."""

import importlib.metadata
import os
import platform
import sys
from datetime import date
from pathlib import Path

from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.training.result import PACKAGES, git_commit

FLAGS = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}


def machine() -> dict:
    """Return processor, cores, memory, versions, commit, date, and the load of the last minute."""
    return {
        "processor": processor(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in (*PACKAGES, "snakemake", "pybaselines")},
        "commit": git_commit(),
        "date": date.today().isoformat(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    """Return the processor's name and which instructions it has, or what Python knows of it."""
    path = Path("/proc/cpuinfo")
    lines = [line.split(":", 1) for line in path.read_text().splitlines() if ":" in line] if path.exists() else []
    told = {name.strip(): value.strip() for name, value in lines}
    name = told.get("model name", platform.processor() or sys.platform)
    return ", ".join([name, f"family {told.get('cpu family', '?')}", *sorted(FLAGS & {*told.get("flags", "").split()})])
