"""Time and peak memory of read_tabular on a csv as wide as a whole UK Biobank basket.

`make bench` makes 20,000 rows of 3,000 columns. The size of the full cohort, about 8 GB in the temporary folder:
    python -m cmr2ecg.benchmarks.tables --rows 500000
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.benchmarks.rows import compared, read_through, report, row_parser
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.tables.phenotypes import phenotype_fields

ROWS, COLUMNS, SUBJECTS = 20_000, 3_000, 40_000
FIRST = 9_000_001
LINES = 500  # different lines; the file repeats them under other eids
OURS = "from cmr2ecg.steps.read_tabular import main; main(sys.argv[1:])"
PLAIN = "import pandas; pandas.read_csv(sys.argv[1], usecols=open(sys.argv[2]).read().split(), dtype=str)"
PEAK = "import sys; {work}; print(open('/proc/self/status').read())"
ARRAYS = {41270: 259, 41280: 259, 41202: 80, 41262: 80, 41204: 210}  # as of the showcase


def run() -> list[dict]:
    """Return rows a second and peak MB against pandas on the same columns, and the share of reading the file."""
    with tempfile.TemporaryDirectory() as folder:
        table, visits, needed = write_table(Path(folder), ROWS, COLUMNS)
        seconds, peak = measure(OURS, step_arguments(Path(folder), table, visits))
        plain_seconds, plain_peak = measure(PLAIN, [str(table), str(needed)])
        begin = time.perf_counter()
        size = read_through(table)
        limit = time.perf_counter() - begin
    note = f"{ROWS} rows of {COLUMNS} columns; ours also makes the labels, for {ROWS * SUBJECTS // 500_000} subjects"
    speed = {"ours": ROWS / seconds, "plain": ROWS / plain_seconds, "ratio": plain_seconds / seconds}
    memory = {"ours": peak, "plain": plain_peak, "ratio": plain_peak / peak}
    return [
        {"name": "read_tabular_vs_pandas", **speed, "unit": "rows/s", "note": note},
        {"name": "read_tabular_memory_vs_pandas", **memory, "unit": "MB", "note": note},
        compared(
            "read_tabular_of_reading",
            size / seconds / 1e6,
            size / limit / 1e6,
            "MB/s",
            "of reading the file, from the cache",
        ),
    ]


def header() -> list[str]:
    """Return the columns that are read, as ukbconv names them."""
    names = ["eid", "31-0.0"]
    names += [
        f"{field}-{visit}.0" for field in (53, 21003, 21002, 50, *phenotype_fields().values()) for visit in (2, 3)
    ]
    names += [f"{field}-0.{array}" for field, arrays in ARRAYS.items() for array in range(arrays)]
    names += [f"{field}-{instance}.0" for field in (40000, 40001) for instance in (0, 1)]
    return names + [f"40002-{instance}.{array}" for instance in (0, 1) for array in range(15)]


def write_table(folder: Path, rows: int, columns: int) -> tuple[Path, Path, Path]:
    """Write a quoted csv, the visits of a share of its subjects, and the names of the columns that are needed."""
    needed = header()
    others = [f"{100_000 + number}-0.0" for number in range(columns - len(needed))]
    lines = ['"' + '","'.join(line) + '"\n' for line in cells(needed, len(others))]
    with open(folder / "tabular.csv", "w") as file:
        file.write('"' + '","'.join([*needed, *others]) + '"\n')
        for start in range(0, rows, LINES):
            file.writelines(f'"{FIRST + start + k}",{line}' for k, line in enumerate(lines[: rows - start]))
    chosen = np.random.default_rng(1).choice(rows, rows * SUBJECTS // 500_000, replace=False)
    pd.DataFrame({"eid": FIRST + np.sort(chosen), "instance": 2}).to_parquet(folder / "visits.parquet")
    (folder / "needed.txt").write_text("\n".join(needed))
    return folder / "tabular.csv", folder / "visits.parquet", folder / "needed.txt"


def cells(needed: Sequence[str], others: int) -> Iterator[list[str]]:
    """Yield the cells of LINES subjects without their eid: ten diagnoses each, a third of the rest filled."""
    rng = np.random.default_rng(0)
    codes = np.array(["I251", "I489", "E119", "J459", "K219", "M179", "H269", "Z867", "I10", "N390"])
    for _ in range(LINES):
        line = [value_of(name, rng, codes) for name in needed[1:]]
        filled = rng.random(others) < 0.35
        yield line + [f"{value:.6g}" if there else "" for value, there in zip(rng.random(others), filled, strict=True)]


def value_of(name: str, rng: np.random.Generator, codes: np.ndarray) -> str:
    """Return the cell of one needed column."""
    field, place = name.split("-")
    array = int(place.split(".")[1])
    if field in ("41270", "41202", "41204"):
        return str(rng.choice(codes)) if array < 10 else ""
    if field in ("41280", "41262"):
        return f"20{rng.integers(10, 20)}-0{rng.integers(1, 10)}-11" if array < 10 else ""
    if field == "53":
        return "2016-05-04"
    if field.startswith("4000"):
        return ""
    return str(int(rng.integers(2))) if field == "31" else f"{rng.uniform(20, 180):.2f}"


def step_arguments(folder: Path, table: Path, visits: Path) -> list[str]:
    """Return the step's command line."""
    outputs = [f"--{name}={folder}/{name}.parquet" for name in ("covariates", "labels", "dates", "phenotypes")]
    settings = json.dumps(paper_settings()["read_tabular"])
    return ["--settings", settings, "--tabular", str(table), "--visits", str(visits), *outputs]


def measure(work: str, arguments: Sequence[str]) -> tuple[float, float]:
    """Run `work` in a process of its own; return its seconds and its largest resident memory in MB (Linux)."""
    command = [sys.executable, "-c", PEAK.format(work=work), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return time.perf_counter() - begin, int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1]) / 1024


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rows of `make bench`, or measure one size without the plain formulation."""
    parser = row_parser(__doc__)
    parser.add_argument("--rows", type=int, help="measure the step on a table of this size instead")
    parser.add_argument("--columns", type=int, default=COLUMNS)
    args = parser.parse_args(argv)
    if not args.rows:
        report(run(), args.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        table, visits, _ = write_table(Path(folder), args.rows, args.columns)
        seconds, peak = measure(OURS, step_arguments(Path(folder), table, visits))
        size = table.stat().st_size / 1e9
    sys.stdout.write(f"{args.rows} x {args.columns}, {size:.2f} GB: {seconds:.1f} s, peak {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
