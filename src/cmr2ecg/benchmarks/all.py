"""Measure ours against the plain formulation, side by side in this process, and write results/bench.json.

Rows: name, ours, plain, unit, ratio (how many times faster or smaller ours is), note.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.benchmarks import (
    audit,
    augment,
    data,
    finetune,
    loading,
    memory,
    predict,
    seeds,
    sweeps,
    tables,
    training,
    workers,
)
from cmr2ecg.files import write_json


def main(argv: Sequence[str] | None = None) -> None:
    """Run every benchmark and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/bench.json"))
    args = parser.parse_args(argv)
    rows = []
    for module in (data, workers, tables, audit, memory, augment, loading, training, finetune, seeds, sweeps, predict):
        for row in module.run():
            rows.append(row)
            measured = f"ours {row['ours']:.4g}, plain {row['plain']:.4g} {row['unit']}"
            sys.stdout.write(f"{row['name']:28} {row['ratio']:6.2f} x   {measured}   {row['note']}\n")
            sys.stdout.flush()
    write_json(args.output, rows)


if __name__ == "__main__":
    main()
