"""result.json: what a training was given, what came out, and what would be needed to do it again."""

import hashlib
import importlib.metadata
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.files import sha256
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.runtime.imports import SOURCE, code_digest

PACKAGES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "xgboost", "h5py", "pandas")


def digest(value: object) -> str:
    """Return a short SHA-256 of a JSON value, the same for the same content."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far.

    Linux's VmHWM starts anew with the process, unlike ru_maxrss, which can be the parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024  # of a Mac bytes, elsewhere kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def git_commit() -> str:
    """Return the commit of the source tree, with "+changes" if it was edited, or "unknown" outside git."""
    try:
        command = [
            "git",
            "-C",
            str(SOURCE),
            "describe",
            "--always",
            "--abbrev=40",
            "--dirty=+changes",
            "--exclude=*",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def provenance(module: str, inputs: Sequence[Path], started: float, **machine: object) -> dict:
    """Return the origin of a result.

    Args:
        module: the step's module: "code" is the digest of its files, "fingerprint" that of what they mean.
        inputs: files read; each is recorded by SHA-256.
        started: time.monotonic() when the step began.
        machine: device, precision, threads.
    """
    return {
        "commit": git_commit(),
        "code": code_digest(module),
        "fingerprint": fingerprint(module),
        "inputs": {str(path): sha256(path) for path in inputs},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "wall_seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        **machine,
    }
