"""Peak memory of each data step for 400 subjects against 100; a ratio near 1 means it does not grow with the cohort."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.commands import FILES, command
from bench.made_up import FIRST
from bench.rows import compared, spent
from cmr2ecg.simulate.raw_files import write_cmr, write_ecg
from cmr2ecg.simulate.subject import draw_subject
from cmr2ecg.study.settings.cohort import SimulateCohort

SIZES = (100, 400)


def run() -> Iterator[dict]:
    """Yield a row memory_<step> for each data step: MB at 400 ("ours") and 100 ("plain") subjects, and their ratio."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(size) for size in SIZES]
        for folder, size in zip(folders, SIZES, strict=True):
            write_raw(folder, size)
        for step in FILES:
            # All subjects share one recording, which the audit allows within one split only.
            few, more = (spent(*command(step, folder, split="@one_split.csv")).peak_mb for folder in folders)
            note = f"peak at {SIZES[1]} subjects (ours) against {SIZES[0]} (plain); 1 is flat"
            yield compared(f"memory_{step}", more, few, "MB", note)


def write_raw(folder: Path, subjects: int) -> None:
    """Write raw files of one simulated subject, linked under `subjects` names, and a table."""
    small = SimulateCohort(frames=25, slices=9, matrix=96)
    subject = draw_subject(small, 0)
    for kind in ("ecg", "cmr"):
        (folder / kind).mkdir(parents=True)
    eids = FIRST + np.arange(subjects)
    for path in (folder / write_ecg(subject, 2, folder), folder / write_cmr(subject, 2, folder)):
        for eid in eids:
            os.link(path, path.with_name(f"{eid}_{path.name.split('_', 1)[1]}"))
        path.unlink()
    same = {"21003-2.0": 60, "21002-2.0": 60, "50-2.0": 170, "31-0.0": 1, "24100-2.0": 150.0}
    empty = [f"{field}-0.0" for field in (41202, 41262, 41204, 40000, 40001, 40002)]
    table = pd.DataFrame({"eid": eids, **same, **dict.fromkeys(("53-2.0", "41280-0.0"), "2016-05-04")})
    table["41270-0.0"] = np.where(np.arange(subjects) % 3 == 0, "I251", "I10")
    table.assign(**dict.fromkeys(empty)).to_csv(folder / "tabular.csv", index=False)
    pd.DataFrame({"eid": eids, "split": "train"}).to_csv(folder / "one_split.csv", index=False)
    (folder / "withdrawn.csv").write_text(f"{FIRST + subjects}\n")
