"""The steps that see the whole cohort, at the size of the paper's study and at a quarter of it: time and peak memory.

`make bench-scale` writes 40,044 made-up subjects (20 GB, or compressed ones where the disk is short; removed at the
end), runs the real steps as processes on 10 and on all 40 of their shards, and writes results/bench_scale.json: name,
subjects, seconds, peak_mb, the limits of both, note. It ends with 1 if a limit is exceeded.
"""

import argparse
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from bench.machine import machine
from bench.rows import spent
from bench.scale_cohort import BYTES, SHARDS, Cohort, write_recordings, write_tables
from bench.scale_steps import Work, forget_pages, works
from cmr2ecg.runtime.files import write_json

SUBJECTS = 40_044  # §IV-A
PART = SHARDS // 4  # shards of the smaller size
BEYOND_MB = 2_048  # a step may take this much beyond its budget
GROWTH_MB = 200  # and no more than this for 10,000 further subjects
JUDGED_FROM = 10_000  # subjects between two sizes
SPARE = 2e9  # bytes left free on the disk
NEEDED = {"assemble_dataset", "split_subjects"}  # by the others; probe needs balance_subset, make_table evaluate


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a line each, write the rows, and remove what was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--output", type=Path, default=Path("results/bench_scale.json"))
    parser.add_argument("--folder", type=Path, help="disk for the data; left out: that of --output")
    parser.add_argument("--sparse", action="store_true", help="compressed recordings of mostly zeros")
    parser.add_argument("--only", nargs="+", help=f"rows to measure, beside {', '.join(sorted(NEEDED))}")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder is removed
    place = args.folder or args.output.parent
    place.mkdir(parents=True, exist_ok=True)
    write_json(args.output.with_name("bench_scale_machine.json"), machine())
    rows: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="bench_scale_", dir=place) as folder:
        for found in measure(Path(folder), args.subjects, sparse=args.sparse, only=args.only):
            rows.append(found)
            line = f"{found['name']:17} {found['subjects']:6} {found['seconds']:7.1f} s {found['peak_mb']:5.0f} MB"
            logging.info("%s  %s, %s", line, found["note"], found["told"])
            write_json(args.output, rows)
    broken = over_limit(rows)
    for line in broken:
        logging.error("over the limit: %s", line)
    sys.exit(1 if broken else 0)


def measure(folder: Path, subjects: int, *, sparse: bool, only: Sequence[str] | None = None) -> Iterator[dict]:
    """Yield a row for each step, first for PART shards, then for all."""
    sparse = sparse or short_of_disk(folder, subjects)
    write_recordings(folder, subjects, sparse=sparse)
    kind = "compressed, mostly zeros" if sparse else f"{subjects * BYTES / 1e9:.1f} GB"
    chosen = {*(only or ()), *NEEDED}
    chosen |= {"balance_subset"} if "probe" in chosen else set()
    chosen |= {"evaluate"} if "make_table" in chosen else set()
    for shards in (PART, SHARDS):
        cohort = write_tables(folder, subjects, shards)
        for work in works(cohort):
            if not only or work.name in chosen:
                yield row_of(work, cohort) | {"recordings": kind}


def short_of_disk(folder: Path, subjects: int) -> bool:
    """Return whether the disk cannot take the recordings, and say so."""
    free, needed = shutil.disk_usage(folder).free, subjects * BYTES * 1.02 + SPARE
    if needed > free:
        logging.warning("%.0f GB free, %.0f needed: recordings are compressed zeros", free / 1e9, needed / 1e9)
    return needed > free


def row_of(work: Work, cohort: Cohort) -> dict:
    """Run a step's processes on files that are in no cache; return the sum of their seconds and the largest peak."""
    work.before()
    forget_pages(cohort.shards)
    parts = [spent("-m", *process) for process in work.processes]
    seconds, peak = sum(part.seconds for part in parts), max(part.peak_mb for part in parts)
    limits = work.limit_s, work.budget_mb + BEYOND_MB
    told = "; ".join([f"{sum(part.cpu_seconds for part in parts):.1f} s of the processor", *work.after()])
    return row(work.name, len(cohort.eids), seconds, peak, *limits, work.note, told)


def row(
    name: str, subjects: int, seconds: float, peak: float, limit_s: float, limit_mb: float, note: str, told=""
) -> dict:
    """Return one row of bench_scale.json; told: what else was measured, in words."""
    measured = {"name": name, "subjects": subjects, "seconds": round(seconds, 1), "peak_mb": round(peak)}
    return {**measured, "limit_seconds": limit_s, "limit_mb": limit_mb, "note": note, "told": told}


def over_limit(rows: Sequence[dict]) -> list[str]:
    """Return a line for each limit of time, memory or growth that is exceeded."""
    lines = []
    for found in rows:
        at = f"{found['name']} at {found['subjects']} subjects"
        if found["seconds"] > found["limit_seconds"]:
            lines.append(f"{at}: {found['seconds']:.0f} s, not {found['limit_seconds']:.0f}")
        if found["peak_mb"] > found["limit_mb"]:
            lines.append(f"{at}: {found['peak_mb']:.0f} MB, not {found['limit_mb']:.0f}")
    for name, growth in growths(rows).items():
        if growth > GROWTH_MB:
            lines.append(f"{name}: {growth:.0f} MB for 10,000 further subjects, not {GROWTH_MB}")
    return lines


def growths(rows: Sequence[dict]) -> dict[str, float]:
    """Return by how many MB each step's peak grows for 10,000 further subjects, from its smallest and largest size.

    Steps whose sizes are less than JUDGED_FROM apart are left out: there it is the batch that fills.
    """
    found = {}
    for name, group in groupby(sorted(rows, key=itemgetter("name", "subjects")), key=itemgetter("name")):
        small, *_, large = [*group] * 2
        further = large["subjects"] - small["subjects"]
        if further >= JUDGED_FROM:
            found[name] = (large["peak_mb"] - small["peak_mb"]) / further * 10_000
    return found


if __name__ == "__main__":
    main()
