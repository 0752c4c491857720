"""Run one stage: `PYTHONPATH=src:tests python -m bench.stage STAGE [NAME=VALUE ...]` prints its rows.

NAME=VALUE changes what stands in capitals in the stage's module: `bench.stage dag SUBJECTS=400`.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cmr2ecg.runtime.files import write_json


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", help="module of tests/bench")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE")
    parser.add_argument("--output", type=Path, help="JSON file for the rows")
    args = parser.parse_args(argv)
    module = importlib.import_module(f"bench.{args.stage}")
    for name, value in (change.split("=", 1) for change in args.changes):
        if not hasattr(module, name):
            parser.error(f"{args.stage} has no {name}")
        setattr(module, name, value if isinstance(getattr(module, name), str) else json.loads(value))
    report(module.run(), args.output)


def report(rows: Iterable[dict], output: Path | None = None) -> None:
    """Print each row as it comes; write all of them to `output`, after each so that an end midway keeps the others."""
    found = []
    for row in rows:
        found.append(row)
        measured = f"ours {row['ours']:.4g}, plain {row['plain']:.4g} {row['unit']}"
        sys.stdout.write(f"{row['name']:32} {row['ratio']:7.2f}   {measured}   {row['note']}\n")
        sys.stdout.flush()
        if output:
            write_json(output, found)


if __name__ == "__main__":
    main()
