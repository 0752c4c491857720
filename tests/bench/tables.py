"""Time and peak memory of read_tabular on a csv as wide as a whole UK Biobank basket.

`bench.stage tables ROWS=500000` is the size of the full cohort: 8 GB in the temporary folder.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from paper_settings import paper_settings

from bench.made_up import FIRST
from bench.rows import compared, read_through, seconds_of, spent
from cmr2ecg.tables.phenotypes import phenotype_fields, phenotype_ranges

ROWS, COLUMNS, VISITORS = 20_000, 3_000, 0.08  # of the whole cohort, 40,000 of 500,000 have images
LINES = 500  # different lines; the file repeats them under other eids
PLAIN = "import pandas, sys; pandas.read_csv(sys.argv[1], usecols=open(sys.argv[2]).read().split(), dtype=str)"
BEST = """import sys
from pyarrow import csv, string
names = open(sys.argv[2]).read().split()
csv.read_csv(sys.argv[1], csv.ReadOptions(use_threads=False), convert_options=csv.ConvertOptions(
    include_columns=names, column_types=dict.fromkeys(names, string())))"""
ARRAYS = {41270: 259, 41280: 259, 41202: 80, 41262: 80, 41204: 210}  # as of the showcase
CODES = ("I251", "I489", "E119", "J459", "K219", "M179", "H269", "Z867", "I10", "N390")
FIELDS = phenotype_fields()
RANGES = {50: (150, 190), 21003: (45, 82), 21002: (50, 110)}  # height, age, weight
RANGES |= {FIELDS[name]: within for name, within in phenotype_ranges().items()}


def run() -> Iterator[dict]:
    """Yield rows a second and peak MB against pandas on the same columns, and the share of reading the file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table, needed = write_table(folder)
        outputs = [f"--{name}={folder}/{name}.parquet" for name in ("covariates", "labels", "dates", "phenotypes")]
        files = ["--tabular", table, "--visits", folder / "visits.parquet", *outputs]
        settings = json.dumps(paper_settings()["read_tabular"])
        ours = spent("-m", "cmr2ecg.steps.read_tabular", "--settings", settings, *files)
        plain, best = (spent("-c", code, table, needed) for code in (PLAIN, BEST))
        limit, size = seconds_of(lambda: read_through(table), warm=False)[0], table.stat().st_size / 1e6
    note = f"{ROWS} rows of {COLUMNS} columns; ours also makes the labels, for {ROWS * VISITORS:.0f} subjects; "
    note += "best alternative: pyarrow on one thread"
    rates = [ROWS / way.seconds for way in (ours, plain, best)]
    yield compared("read_tabular_vs_pandas", *rates[:2], "rows/s", f"{note}, {rates[2]:,.0f}")
    peaks, note = (ours.peak_mb, plain.peak_mb), f"{note}, {best.peak_mb:.0f}"
    yield compared("read_tabular_memory_vs_pandas", *peaks, "MB", note, less=True)
    note = "of reading the file, from the cache"
    yield compared("read_tabular_of_reading", size / ours.seconds, size / limit, "MB/s", note)


def write_table(folder: Path) -> tuple[Path, Path]:
    """Write a quoted csv, the names of the columns that are needed, and the visits of a share of its subjects."""
    names = header()
    others = [f"{100_000 + number}-0.0" for number in range(COLUMNS - len(names))]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(cells(names[1:], len(others)))
    lines = text.getvalue().splitlines(keepends=True)
    with open(folder / "tabular.csv", "w") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([*names, *others])
        for row in range(ROWS):
            file.write(f'"{FIRST + row}",{lines[row % LINES]}')
    chosen = np.random.default_rng(1).choice(ROWS, int(ROWS * VISITORS), replace=False)
    pd.DataFrame({"eid": FIRST + np.sort(chosen), "instance": 2}).to_parquet(folder / "visits.parquet")
    (folder / "needed.txt").write_text("\n".join(names))
    return folder / "tabular.csv", folder / "needed.txt"


def header() -> list[str]:
    """Return the columns that are read, as ukbconv names them."""
    both = (53, 21003, 21002, 50, *FIELDS.values())
    names = ["eid", "31-0.0", *(f"{field}-{visit}.0" for field in both for visit in (2, 3))]
    names += [f"{field}-0.{array}" for field, arrays in ARRAYS.items() for array in range(arrays)]
    names += [f"{field}-{instance}.0" for field in (40000, 40001) for instance in (0, 1)]
    return names + [f"40002-{instance}.{array}" for instance in (0, 1) for array in range(15)]


def cells(needed: Sequence[str], others: int) -> Iterator[list[str]]:
    """Yield the cells of LINES subjects without their eid: ten diagnoses each, a third of the rest filled."""
    rng = np.random.default_rng(0)
    for _ in range(LINES):
        filled = zip(rng.random(others), rng.random(others) < 0.35, strict=True)
        yield [*(cell(name, rng) for name in needed), *(f"{value:.6g}" if there else "" for value, there in filled)]


def cell(name: str, rng: np.random.Generator) -> str:
    field, _, place = name.partition("-")
    diagnosed = int(place.split(".")[1]) < 10
    if field in ("41270", "41202", "41204"):
        return str(rng.choice(CODES)) if diagnosed else ""
    if field in ("41280", "41262"):
        return f"20{rng.integers(10, 20)}-0{rng.integers(1, 10)}-11" if diagnosed else ""
    if field.startswith("4000"):
        return ""
    known = {"53": "2016-05-04", "31": str(rng.integers(2))}
    return known.get(field) or f"{rng.uniform(*RANGES[int(field)]):.2f}"
