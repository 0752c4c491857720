"""Empty files in the place of raw ones, so that a study can be planned without any data."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmr2ecg.raw.data_set_table import PLACE, columns_of
from cmr2ecg.study.config_file import read_config
from cmr2ecg.study.settings.data_set import HEADERS, Recordings
from cmr2ecg.study.targets import SPLITS


def stand_ins(configs: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Return settings that put empty files into the place of raw files and imported weights, and write those files."""
    given: dict[str, Any] = {}
    for config in configs:
        given |= read_config(config)
    empty = folder / "empty"
    empty.write_text("")
    weights = {name: str(empty) for name, path in (given.get("init") or {}).items() if path}
    overlay: dict[str, Any] = {"init": weights} if weights else {}
    if (given.get("simulate_cohort") or {}).get("enabled"):
        return overlay
    declared, raw = given.get("recordings") or {}, given.get("raw") or {}
    further = []
    if raw.get("unlabelled"):
        (folder / "further").mkdir()
        (folder / "further/1.hea").write_text("")
        further.append(str(folder / "further"))
    if declared.get("table"):
        write_data_set(folder / "set", Recordings.model_validate(declared))
        lists: dict[str, list[str]] = {"withdrawn": [], "excluded": []}
        return overlay | {"raw": {"ecg": [str(folder / "set")], "unlabelled": further, **lists}}
    images = "cmr" in (given.get("index_cohort") or {}).get("modalities", ["cmr"])
    for kind, name in (("ecg", "9000001_20205_2_0.xml"), ("cmr", "9000001_20209_2_0.zip")):
        (folder / f"{kind}.txt").write_text(name + "\n")
    overlay["raw"] = {
        "ecg": [str(folder / "ecg.txt")],
        "unlabelled": further,
        "cmr": [str(folder / "cmr.txt")] if images else [],
        "tabular": [str(empty)],
        "withdrawn": [],
        "excluded": [],
        "segmentations": [str(empty)] if raw.get("segmentations") else [],
        "boxes": [],
    }
    return overlay


def write_data_set(folder: Path, recordings: Recordings) -> None:
    """Write a data set in its declared form with one recording in each split, without signals."""
    folder.mkdir()
    rows = [_row(number, split, recordings) for number, split in enumerate(SPLITS, start=1)]
    for row in rows:
        name = recordings.file or f"{row['file']}.hea"
        for column, text in row.items():
            name = name.replace(f"{{{column}}}", text)
        path = folder / name.partition("#")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        comments = [f"# {column}: {text}\n" for column, text in row.items() if column != "file"]
        path.write_text("".join(comments) if recordings.table == HEADERS else "")
    if recordings.table != HEADERS:
        for table in filter(None, (recordings.table, recordings.join.table)):
            with open(folder / table, "w", newline="", encoding="utf-8") as handle:
                writer = csv.DictWriter(handle, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


def _row(number: int, split: str, recordings: Recordings) -> Mapping[str, str]:
    """Return a cell for every column that is declared: a label of the first class, a fold, a number."""
    row = {"file": f"r{number}"} | dict.fromkeys(columns_of(recordings), str(number))
    row |= {column: f"{number}.hdf5" for column in PLACE.findall(recordings.file)}  # a file that may hold several
    labels = recordings.labels
    code = next(iter(labels.classes.values()))[0]
    row |= dict.fromkeys(labels.columns, code)
    if recordings.split.column:
        row[recordings.split.column] = getattr(recordings.split, split)[0]
    if recordings.sex.column:
        row[recordings.sex.column] = recordings.sex.female[0]
    if labels.form == "flags":
        row |= {column: "1" for codes in labels.classes.values() for column in codes}
    return row
