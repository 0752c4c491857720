"""Find UK Biobank bulk files by name: `EID_FIELD_INSTANCE_ARRAY.ending`, in folders of any depth.

ECGs of other sources take part under the same names as WFDB records (`.hea`, its signal file beside it).

Only the standard library is used, since the workflow imports this module while it is read.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cmr2ecg.command import InputError
from cmr2ecg.ukb.record_table import is_record_table, read_record_table

ECG_FIELD, CMR_FIELD = 20205, 20209
ENDINGS = {ECG_FIELD: ("xml", "hea"), CMR_FIELD: ("zip",)}
SETTINGS = {ECG_FIELD: "raw.ecg", CMR_FIELD: "raw.cmr"}
# `dx find data` prints state, time, size, path and id; a project's files lie under the mount point.
DX_LINE = re.compile(r"(?:closed|closing|open)\s.*?\s(/.*\S)\s+\((?:[\w-]+:)?file-\w+\)")
DX_MOUNT = "/mnt/project"


def list_bulk(folders: Sequence[str], field: int) -> dict[tuple[int, int], str]:
    """Return the path of every bulk file of one field, by (eid, instance).

    Args:
        folders: folders searched to any depth, or text files with one path a line, which spare the listing of a
            slow mounted folder: as `find` prints them (a relative path starts at the text file's folder), or as
            `dx find data` does (below /mnt/project); or csv tables with eid and path (ukb/record_table.py).
        field: 20205 (12-lead ECG at rest, xml or WFDB hea) or 20209 (short-axis CMR, zip).

    If a subject's file is there twice, the first folder counts, then the lower array index, then the path.

    Raises:
        InputError: if no folder is given or one does not exist; names raw.ecg or raw.cmr.
    """
    setting = SETTINGS[field]
    if not folders:
        name = f"EID_{field}_I_A.{ENDINGS[field][0]}"
        raise InputError(f"{setting} is empty: name the folder that holds the {name} files")
    pattern = re.compile(rf"(\d+)_{field}_(\d+)_(\d+)\.(?:{'|'.join(ENDINGS[field])})", re.IGNORECASE)
    found: dict[tuple[int, int], tuple[int, int, str]] = {}
    for order, folder in enumerate(folders):
        if is_record_table(folder):
            for key, path in read_record_table(folder, setting).items():
                candidate = (order, 0, path)
                found[key] = min(found.get(key, candidate), candidate)
            continue
        for path in _paths(folder, setting):
            match = pattern.fullmatch(os.path.basename(path))
            if match:
                eid, instance, array = map(int, match.groups())
                candidate = (order, array, path)
                found[eid, instance] = min(found.get((eid, instance), candidate), candidate)
    return {key: found[key][2] for key in sorted(found)}


def earliest_pairs(
    ecg: dict[tuple[int, int], str], cmr: dict[tuple[int, int], str], instances: Sequence[int]
) -> dict[int, int]:
    """Return for each eid with both files at one visit the earliest such instance among `instances`."""
    pairs: dict[int, int] = {}
    for eid, instance in sorted(ecg.keys() & cmr.keys()):
        if instance in instances:
            pairs.setdefault(eid, instance)
    return pairs


def _paths(folder: str, setting: str) -> Iterator[str]:
    if os.path.isdir(folder):
        for parent, _, names in os.walk(folder):
            yield from (os.path.join(parent, name) for name in names)
    elif os.path.isfile(folder):
        yield from listed_paths(folder, setting)
    else:
        raise InputError(f"{setting}: there is no folder {folder}; correct the path in the config file")


def listed_paths(file: str, setting: str) -> Iterator[str]:
    """Yield the paths of a text file, one a line, as `find` or `dx find data` prints them.

    Raises:
        InputError: if it is no text; names the setting.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{setting}: {file} is neither a folder nor a text file with one path a line") from error
    for line in filter(None, map(str.strip, lines)):
        match = DX_LINE.fullmatch(line)
        yield DX_MOUNT + match[1] if match else os.path.join(os.path.dirname(file), line)
