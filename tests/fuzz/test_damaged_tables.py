"""Damaged tables: refused in one line that names no subject, or every other subject reads as before."""

from pathlib import Path

import numpy as np
import pandas as pd
from cohort.raw_files import FIRST, TABULAR, visits
from fuzz.mutate import TEXT
from steps.test_data_steps import step

from cmr2ecg.runtime.command import InputError

SUBJECTS, TABLES = 20, 108
BODY = {"31-0.0": (0, 2), "21003-2.0": (45, 80), "21002-2.0": (50, 99), "50-2.0": (150, 199), "24100-2.0": (90, 220)}
CODES, DATES = ("41270", "41202", "41204", "40001", "40002"), ("41280", "41262", "40000", "53")


def table_lines(quoted: bool) -> list[str]:
    """Return a header and one line a subject; every second one has a code in each source."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"eid": FIRST + np.arange(SUBJECTS)})
    for name, (low, high) in BODY.items():
        table[name] = rng.integers(low, high, SUBJECTS)
    table["53-2.0"] = "2016-05-04"
    for field in CODES:
        table[f"{field}-0.0"] = np.where(rng.random(SUBJECTS) < 0.5, rng.choice(["I251", "I48", "J45"], SUBJECTS), "")
    for field in DATES[:-1]:
        table[f"{field}-0.0"] = "2012-03-04"
    return table.to_csv(index=False, quoting=1 if quoted else 0).splitlines()


def read_outputs(folder: Path, table: Path, visited: Path) -> dict[str, pd.DataFrame]:
    paths = {name: folder / f"{name}.parquet" for name in ("covariates", "labels", "dates", "phenotypes")}
    step("read_tabular", TABULAR.model_dump(), tabular=table, visits=visited, **paths)
    return {name: pd.read_parquet(path).set_index("eid") for name, path in paths.items()}


def test_one_damaged_line(tmp_path):
    visited = visits(
        tmp_path / "visits.parquet", {"ecg_path": [tmp_path] * SUBJECTS, "cmr_path": [tmp_path] * SUBJECTS}
    )
    path = tmp_path / "tabular.csv"
    rng = np.random.default_rng(4)
    whole, refused = {}, 0
    for index in range(TABLES):
        quoted = index % 2 == 0
        rows = table_lines(quoted)
        if quoted not in whole:
            path.write_text("\n".join(rows) + "\n")
            whole[quoted] = read_outputs(tmp_path, path, visited)
        hit = int(rng.integers(1, SUBJECTS + 1))
        damage = TEXT[index // 2 % len(TEXT)]
        line = damage(rows[hit].encode(), rng).replace(b"\n", b"").replace(b"\r", b"")
        lines = [row.encode() for row in rows]
        path.write_bytes(b"\n".join([*lines[:hit], line, *lines[hit + 1 :]]) + b"\n")
        try:
            found = read_outputs(tmp_path, path, visited)
        except InputError as error:
            refused += 1
            assert "raw.tabular" in str(error) and "\n" not in str(error) and "90000" not in str(error)
            continue
        others = [eid for eid in whole[quoted]["labels"].index if eid != FIRST + hit - 1]
        for name, table in found.items():
            pd.testing.assert_frame_equal(
                table.loc[others], whole[quoted][name].loc[others], obj=f"{damage.__name__} {name}"
            )
    assert TABLES / 4 < refused < TABLES
