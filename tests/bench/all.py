"""Measure ours against the plain formulation and the machine's limits; write bench.json and what machine it was.

Each stage runs in a process of its own; one that fails is named at the end and costs the others nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import machine
from bench.reproduction import add_reproduction
from bench.rows import ENVIRONMENT, read_rows
from cmr2ecg.runtime.files import write_json

STAGES = [
    "data",
    "tables",
    "memory",
    "augment",
    "loading",
    "training",
    "finetune",
    "jobs",
    "fits",
    "predict",
    "cores",
    "dag",
]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stages one after the other; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/bench.json"))
    parser.add_argument("--only", nargs="+", choices=STAGES, help="measure these and keep the file's other rows")
    args = parser.parse_args(argv)
    stages = args.only or STAGES
    rows = {row["name"]: row for row in read_rows(args.output)} if args.only else {}
    write_json(args.output.with_name("bench_machine.json"), machine())
    failed, begun = [], time.perf_counter()
    for number, stage in enumerate(stages, start=1):
        say(f"--- {stage}, {number} of {len(stages)}, {time.perf_counter() - begun:.0f} s so far")
        found, sound = run_stage(stage)
        failed += [] if sound else [stage]
        rows |= {row["name"]: row for row in found}
        write_json(args.output, list(rows.values()))
    say(f"--- the cost of a reproduction, {time.perf_counter() - begun:.0f} s so far")
    try:
        add_reproduction(args.output)
        say(f"--- {len(read_rows(args.output))} rows in {args.output}, {time.perf_counter() - begun:.0f} s")
    finally:
        if failed:
            sys.exit(f"these stages failed: {', '.join(failed)}; see above, then again with --only {' '.join(failed)}")


def run_stage(stage: str) -> tuple[list[dict], bool]:
    """Run one stage, its lines on the terminal; return the rows it came to, and whether it ended well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        done = subprocess.run([sys.executable, "-m", "bench.stage", stage, "--output", str(path)], env=ENVIRONMENT)
        return read_rows(path), done.returncode == 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
