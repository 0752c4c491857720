"""What the benchmarks share: a row, ways that take turns, a process with its time and peak memory.

Rows: name, ours, plain, unit, ratio, note. ratio says how many times better ours is, or, where a name says so, what
share of a limit it reaches (`_of_`) or how many times more it does with more cores (`cores_`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.runtime.imports import SOURCE

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{Path(__file__).resolve().parents[1]}"}
# A child's ru_maxrss begins with its parent's memory, so that a process as small as this one stands between.
LAUNCH = (
    "import resource, subprocess, sys;"
    "code = subprocess.call(sys.argv[1:], stdout=sys.stderr);"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print(used.ru_maxrss, used.ru_utime + used.ru_stime);"
    "sys.exit(code)"
)


@dataclass(frozen=True)
class Spent:
    """Seconds, seconds of the processor, largest resident memory of a process, its start included, and its words."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    printed: str


def compared(name: str, ours: float, plain: float, unit: str, note: str, *, less: bool = False) -> dict:
    """Return one row; the greater the ratio the better. less: of ours and plain the smaller is the better."""
    ratio = plain / ours if less else ours / plain
    return {"name": name, "ours": ours, "plain": plain, "unit": unit, "ratio": ratio, "note": note}


def seconds_of(*ways: Callable[[], object], rounds: int = 1, warm: bool = True, pick: Callable = min) -> list[float]:
    """Return the seconds of each way, the least of its rounds; they take turns, after one that is not counted.

    Args:
        warm: whether there is such a first turn.
        pick: what is taken of the rounds; the least is least disturbed by other processes.
    """
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + warm):
        for way, record in zip(ways, times, strict=True):
            begin = time.perf_counter()
            way()
            record.append(time.perf_counter() - begin)
    return [pick(record[warm:]) for record in times]


def spent(*arguments: object, cwd: Path | None = None) -> Spent:
    """Run Python with these arguments in a process of its own, beside which no other runs (peak: Linux).

    Raises:
        RuntimeError: with the last it printed, if it fails.
    """
    command = [sys.executable, "-S", "-c", LAUNCH, sys.executable, *map(str, arguments)]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{arguments[1]} failed: {done.stderr.strip()[-3000:]}")
    kilobytes, cpu = done.stdout.split()
    return Spent(seconds, float(cpu), int(kilobytes) / 1024, done.stderr)


def read_through(path: Path) -> int:
    """Read a file in pieces and return its size."""
    size = 0
    with open(path, "rb", buffering=0) as handle:
        while piece := handle.read(1 << 22):
            size += len(piece)
    return size


def read_rows(path: Path) -> list[dict]:
    """Return the rows of a file, none if it is not there."""
    return json.loads(path.read_text()) if path.exists() else []
