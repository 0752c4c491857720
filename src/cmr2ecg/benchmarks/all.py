"""Measure ours against the plain formulation and the machine's limits; write bench.json and what machine it was.

Each stage runs in a process of its own (`python -m cmr2ecg.benchmarks.STAGE` runs it alone); one that fails is named at
the end and costs the others nothing. Rows: name, ours, plain, unit, ratio, note.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.benchmarks.machine import machine
from cmr2ecg.benchmarks.rows import read_rows
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE

STAGES = (
    "data",
    "tables",
    "audit",
    "memory",
    "augment",
    "loading",
    "training",
    "pretraining",
    "finetune",
    "seeds",
    "probe",
    "sweeps",
    "predict",
    "scoring",
    "cores",
    "dag",
)
LAST = "reproduction"  # reads the rows of the others


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stages one after the other; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/bench.json"))
    parser.add_argument("--only", nargs="+", choices=STAGES, help="measure these and keep the file's other rows")
    args = parser.parse_args(argv)
    stages = args.only or STAGES
    rows = {row["name"]: row for row in read_rows(args.output)} if args.only else {}
    write_json(args.output.with_name("bench_machine.json"), machine())
    failed = []
    begun = time.perf_counter()
    for number, stage in enumerate(stages, start=1):
        say(f"--- {stage}, {number} of {len(stages)}, {time.perf_counter() - begun:.0f} s so far")
        found = run_stage(stage)
        if found is None:
            failed.append(stage)
        rows |= {row["name"]: row for row in found or []}
        write_json(args.output, list(rows.values()))
    say(f"--- {LAST}, {time.perf_counter() - begun:.0f} s so far")
    if not run_module_on(LAST, "--bench", args.output):
        failed.append(LAST)
    say(f"--- {len(read_rows(args.output))} rows in {args.output}, {time.perf_counter() - begun:.0f} s")
    if failed:
        sys.exit(f"these stages failed: {', '.join(failed)}; see above, then again with --only {' '.join(failed)}")


def run_stage(stage: str) -> list[dict] | None:
    """Run one stage, its lines on the terminal, and return its rows, or None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        return read_rows(path) if run_module_on(stage, "--output", path) else None


def run_module_on(stage: str, option: str, path: Path) -> bool:
    """Run a stage's module with a file, and return whether it ended well."""
    command = [sys.executable, "-m", f"cmr2ecg.benchmarks.{stage}", option, str(path)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}).returncode == 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
