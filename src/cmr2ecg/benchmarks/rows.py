"""What the benchmarks share: a row, a process with its time and peak memory, and the command line of one stage.

Rows: name, ours, plain, unit, ratio, note. ratio says how many times better ours is, or, where a name says so, what
share of a limit it reaches (`_of_`) or how many times more it does with more cores (`cores_`).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE

# A child's ru_maxrss begins with its parent's memory, so that a process as small as this one stands between.
LAUNCH = (
    "import resource, subprocess, sys;"
    "code = subprocess.call(sys.argv[2:], stdout=sys.stderr);"
    "spent = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "open(sys.argv[1], 'w').write(f'{spent.ru_maxrss} {spent.ru_utime + spent.ru_stime}');"
    "sys.exit(code)"
)


@dataclass(frozen=True)
class Spent:
    """Seconds, seconds of the processor, and largest resident memory of a process, its start included."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def compared(name: str, ours: float, plain: float, unit: str, note: str) -> dict:
    """Return one row of two rates; the greater the ratio the better."""
    return {"name": name, "ours": ours, "plain": plain, "unit": unit, "ratio": ours / plain, "note": note}


def run_module(module: str, arguments: Sequence[object], scratch: Path) -> Spent:
    """Run `python -m cmr2ecg.MODULE` in a process of its own.

    Raises:
        RuntimeError: with the last lines of its messages, if it fails.
    """
    command = [sys.executable, "-m", f"cmr2ecg.{module}", *map(str, arguments)]
    peak = scratch / "peak.txt"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCH, str(peak), *command], stderr=subprocess.PIPE, text=True, env=environment
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{module} failed: {' | '.join(done.stderr.strip().splitlines()[-5:])}")
    kilobytes, cpu = peak.read_text().split()
    return Spent(seconds, float(cpu), int(kilobytes) / 1024)


def row_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the command line of one stage."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file for the rows")
    return parser


def report(rows: Iterable[dict], output: Path | None) -> list[dict]:
    """Print each row as it comes; write all of them to `output`, after each so that an end midway keeps the others."""
    found = []
    for row in rows:
        found.append(row)
        measured = f"ours {row['ours']:.4g}, plain {row['plain']:.4g} {row['unit']}"
        sys.stdout.write(f"{row['name']:32} {row['ratio']:7.2f}   {measured}   {row['note']}\n")
        sys.stdout.flush()
        if output:
            write_json(output, found)
    return found


def alone(run: Callable[[], Iterable[dict]], description: str | None, argv: Sequence[str] | None = None) -> None:
    """Run one stage from the command line."""
    report(run(), row_parser(description).parse_args(argv).output)


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
