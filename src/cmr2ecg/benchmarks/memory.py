"""Peak memory of each data step for 400 subjects against 100; a ratio near 1 means it does not grow with the cohort."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.benchmarks.rows import alone
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.simulate.raw_files import write_cmr, write_ecg
from cmr2ecg.simulate.subject import draw_subject

SIZES = (100, 400)
STEPS = (
    "index_shard",
    "index_cohort",
    "clean_ecg",
    "crop_cmr",
    "read_tabular",
    "assemble_dataset",
    "split_subjects",
    "balance_subset",
    "audit_leakage",
    "audit_subsets",
    "audit_withdrawn",
)
PEAK = "import sys; from cmr2ecg.steps.{step} import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"
FIRST = 9_000_001


def run() -> list[dict]:
    """Return a row memory_<step> for each data step: MB at 100 ("ours") and 400 ("plain") subjects, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = [measure(Path(folder) / str(size), size) for size in SIZES]
    return [
        {
            "name": f"memory_{step}",
            "ours": peaks[1][step],
            "plain": peaks[0][step],
            "unit": "MB",
            "ratio": peaks[1][step] / peaks[0][step],
            "note": f"peak at {SIZES[1]} subjects (ours) against {SIZES[0]} (plain); 1 is flat",
        }
        for step in STEPS
    ]


def measure(folder: Path, subjects: int) -> dict[str, float]:
    """Run every data step on `subjects` subjects, one process each, and return the peaks in MB."""
    settings = paper_settings()
    write_raw(folder, subjects, settings["simulate_cohort"])
    sections = {**settings, "index_shard": settings["index_cohort"]}
    return {step: peak_of(step, sections.get(step, {}), arguments_of(step, folder)) for step in STEPS}


def write_raw(folder: Path, subjects: int, settings: dict) -> None:
    """Write raw files of one simulated subject, linked under `subjects` names, and a table."""
    small = {**settings, "frames": 25, "slices": 9, "matrix": 96}
    subject = draw_subject(small, 0)
    for kind in ("ecg", "cmr"):
        (folder / kind).mkdir(parents=True)
    files = [folder / write_ecg(subject, 2, folder), folder / write_cmr(subject, 2, folder)]
    eids = FIRST + np.arange(subjects)
    for path in files:
        for eid in eids:
            os.link(path, path.with_name(f"{eid}_{path.name.split('_', 1)[1]}"))
        path.unlink()
    columns = ["31-0.0", "21003-2.0", "21002-2.0", "50-2.0"]
    table = pd.DataFrame({"eid": eids, **dict.fromkeys(columns, 60), "31-0.0": 1, "24100-2.0": 150.0})
    table["41270-0.0"] = np.where(np.arange(subjects) % 3 == 0, "I251", "I10")
    table["53-2.0"] = table["41280-0.0"] = "2016-05-04"
    for field in (41202, 41262, 41204, 40000, 40001, 40002):
        table[f"{field}-0.0"] = None
    table.to_csv(folder / "tabular.csv", index=False)
    # all subjects share one recording, which the audit allows within one split only
    pd.DataFrame({"eid": eids, "split": "train"}).to_csv(folder / "one_split.csv", index=False)
    (folder / "withdrawn.csv").write_text(f"{FIRST + subjects}\n")


def arguments_of(step: str, folder: Path) -> Sequence[str]:
    """Return a step's file arguments, everything in one shard."""
    text = {
        "index_shard": "--shard 0 --shards 1 --ecg {0}/ecg --cmr {0}/cmr --visits {0}/s.parquet --flow {0}/s.csv",
        "index_cohort": "--shard-visits {0}/s.parquet --shard-flow {0}/s.csv --visits {0}/v.parquet --flow {0}/v.csv",
        "clean_ecg": "--visits {0}/s.parquet --output {0}/ecg.h5 --qc {0}/ecg.csv",
        "crop_cmr": "--visits {0}/s.parquet --output {0}/cmr.h5 --qc {0}/cmr.csv",
        "read_tabular": "--tabular {0}/tabular.csv --visits {0}/v.parquet --covariates {0}/c.parquet "
        "--labels {0}/l.parquet --dates {0}/d.parquet --phenotypes {0}/p.parquet",
        "assemble_dataset": "--index-flow {0}/v.csv --ecg {0}/ecg.h5 --ecg-qc {0}/ecg.csv --cmr {0}/cmr.h5 "
        "--cmr-qc {0}/cmr.csv --labels {0}/l.parquet --output {0}/dataset.h5 --flow {0}/flow.csv",
        "split_subjects": "--dataset {0}/dataset.h5 --labels {0}/l.parquet --output {0}/split.csv",
        "balance_subset": "--values {0}/l.parquet --split {0}/split.csv --target cad --fraction 100 "
        "--output {0}/cad_100.csv",
        "audit_leakage": "--dataset {0}/dataset.h5 --split {0}/one_split.csv --labels {0}/l.parquet "
        "--visits {0}/v.parquet --output {0}/audit.json --duplicates {0}/duplicates.csv",
        "audit_subsets": "--target cad --split {0}/split.csv --values {0}/l.parquet --subsets {0}/cad_100.csv "
        "--output {0}/subsets.json",
        "audit_withdrawn": "--results {0} --withdrawn {0}/withdrawn.csv --output {0}/withdrawn.json",
    }
    return text[step].format(folder).split()


def peak_of(step: str, settings: dict, arguments: Sequence[str]) -> float:
    """Run a step in a process of its own and return its largest resident memory in MB (Linux)."""
    command = [sys.executable, "-c", PEAK.format(step=step), "--settings", json.dumps(settings), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1]) / 1024


if __name__ == "__main__":
    alone(run, __doc__)
