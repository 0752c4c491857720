"""Locate the raw files of indexed subjects.

The index names files without their folders, so that moved or copied raw data make nothing stale.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cmr2ecg.cohort.arrivals import many_lost
from cmr2ecg.raw.bulk import CMR_FIELD, ECG_FIELD, list_bulk
from cmr2ecg.raw.listed import file_of
from cmr2ecg.raw.segmentation import list_segmentations
from cmr2ecg.runtime.command import InputError

NOWHERE = "/nowhere/"  # a folder that does not exist
KINDS = {"ecg_path": "ecg", "cmr_path": "cmr", "segmentation": "segmentations"}
FIELDS = {"ecg": ECG_FIELD, "cmr": CMR_FIELD}


def located(visits: pd.DataFrame, column: str, raw: Path | None) -> list[str]:
    """Return the path of a file of every visit, "" where the index has none.

    Args:
        visits: eid, instance and the column, as index_shard wrote them.
        column: ecg_path, cmr_path or segmentation, which contain names.
        raw: the run's list of folders with raw files (`read_folders`); None if the column holds whole paths.

    A file that has disappeared gets a path that does not exist, and is rejected when read.

    Raises:
        InputError: if many of them have disappeared; names the setting.
    """
    if raw is None:
        return visits[column].tolist()
    kind = KINDS[column]
    folders = read_folders(raw).get(kind, [])
    wanted = list(zip(visits["eid"].tolist(), visits["instance"].tolist(), visits[column].tolist(), strict=True))
    if not any(name for _, _, name in wanted):
        return [""] * len(wanted)
    listed = list_bulk(folders, FIELDS[kind]).items() if kind in FIELDS else list_segmentations(folders).items()
    found: dict[tuple[int, int | None], str] = {visit: path for visit, path in listed}
    paths = [
        (found.get((eid, instance)) or found.get((eid, None)) or f"{NOWHERE}{name}") if name else ""
        for eid, instance, name in wanted
    ]
    gone = sum(path.startswith(NOWHERE) for path in paths)
    if many_lost(gone, len(paths)):
        raise InputError(
            f"raw.{kind}: {gone:,} of {len(paths):,} indexed subjects no longer have a file there; mount "
            "the disk and run again"
        )
    return paths


def check_still_there(paths: Iterable[str], setting: str) -> None:
    """Stop a job whose raw files disappeared while it read them, before their subjects count as rejected.

    Raises:
        InputError: if many of the files found have disappeared; names the setting.
    """
    listed = [path for path in paths if path and not path.startswith(NOWHERE)]
    gone = sum(not os.path.lexists(file_of(path)) for path in listed)
    if many_lost(gone, len(listed)):
        raise InputError(
            f"{setting}: {gone:,} of {len(listed):,} files disappeared while they were read; mount the disk "
            "and run again"
        )


def named_tables(raw: Path | None, kind: str) -> list[Path]:
    """Return the tables of one kind (tabular, boxes) that the run's list of raw files names; none without a list."""
    return [Path(path) for path in read_folders(raw).get(kind, [])] if raw else []


def read_folders(raw: Path) -> dict[str, list[str]]:
    """Return the folders and lists of every kind of raw files, as named by the run's options of index_shard."""
    folders: dict[str, list[str]] = {}
    kind = ""
    for line in raw.read_text(encoding="utf-8").splitlines():
        if line.startswith("--"):
            kind = line.removeprefix("--")
            folders[kind] = []
        else:
            folders[kind].append(line)
    return folders
