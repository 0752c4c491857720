"""Find UK Biobank bulk files by name: `EID_FIELD_INSTANCE_ARRAY.ending`, in folders of any depth.

ECGs of other sources may have the same names with the ending of another format (raw/endings.py), such as WFDB records
(`.hea`, with its signal file in the same folder).

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cmr2ecg.raw.endings import ECG_ENDINGS
from cmr2ecg.raw.listed import Listed
from cmr2ecg.raw.record_table import is_record_table, read_record_table
from cmr2ecg.raw.stamp import stamp
from cmr2ecg.raw.walk import files_below, shown
from cmr2ecg.runtime.command import InputError

ECG_FIELD, CMR_FIELD = 20205, 20209
ENDINGS = {ECG_FIELD: tuple(ending[1:] for ending in ECG_ENDINGS), CMR_FIELD: ("zip",)}
SETTINGS = {ECG_FIELD: "raw.ecg", CMR_FIELD: "raw.cmr"}
# `dx find data` prints state, time, size, path and id; a project's files are below the mount point.
DX_LINE = re.compile(r"(?:closed|closing|open)\s.*?\s(/.*\S)\s+\((?:[\w-]+:)?(file-\w+)\)")
DX_MOUNT = "/mnt/project"
SIZED_LINE = re.compile(r"(.*\S)\t(\d+)\t(\d+)(?:\.\d*)?", re.ASCII)  # find -printf '%p\t%s\t%T@\n'


def list_bulk(folders: Sequence[str], field: int) -> dict[tuple[int, int], str]:
    """Return the path of every bulk file of one field, by (eid, instance); see `list_files`."""
    return {key: file.path for key, file in list_files(folders, field).items()}


def list_files(folders: Sequence[str], field: int) -> dict[tuple[int, int], Listed]:
    """Return every bulk file of one field, by (eid, instance).

    Args:
        folders: folders searched to any depth, or text files with one path per line, which avoid listing a
            slow mounted folder: as printed by `find` (a relative path starts at the text file's folder) or by
            `dx find data` (below /mnt/project); or csv tables with eid and path (raw/record_table.py).
        field: 20205 (12-lead ECG at rest) or 20209 (short-axis CMR, zip).

    Of duplicate files of a subject the first folder takes precedence, then the lower array index, then the path.

    Raises:
        InputError: if no folder is given, one does not exist or cannot be listed, or a list is invalid; names
            raw.ecg or raw.cmr.
    """
    setting = SETTINGS[field]
    if not folders:
        name = f"EID_{field}_I_A.{ENDINGS[field][0]}"
        raise InputError(f"{setting} is empty: name the folder of the {name} files")
    pattern = name_of(field)
    found: dict[tuple[int, int], tuple[int, int, Listed]] = {}
    for order, folder in enumerate(folders):
        if is_record_table(folder):
            for key, listed in read_record_table(folder, setting).items():
                candidate = (order, 0, listed)
                found[key] = min(found.get(key, candidate), candidate)
            continue
        for file in _files(folder, setting, pattern):
            match = pattern.fullmatch(os.path.basename(file.path))
            if match:
                eid, instance, array = map(int, match.groups())
                candidate = (order, array, file)
                found[eid, instance] = min(found.get((eid, instance), candidate), candidate)
    return {key: found[key][2] for key in sorted(found)}


def name_of(field: int) -> re.Pattern[str]:
    """Return what the names of a field's files match: eid, instance and array index, and an ending."""
    return re.compile(rf"(\d+)_{field}_(\d+)_(\d+)\.(?:{'|'.join(ENDINGS[field])})", re.IGNORECASE | re.ASCII)


def earliest_pairs(
    ecg: Mapping[tuple[int, int], str], cmr: Mapping[tuple[int, int], str], instances: Sequence[int]
) -> dict[int, int]:
    """Return for each eid with both files at one visit the earliest such instance among `instances`."""
    pairs: dict[int, int] = {}
    for eid, instance in sorted(ecg.keys() & cmr.keys()):
        if instance in instances:
            pairs.setdefault(eid, instance)
    return pairs


def _files(folder: str, setting: str, name: re.Pattern) -> Iterator[Listed]:
    if os.path.isdir(folder):
        yield from map(Listed, files_below(folder, setting))
    elif os.path.isfile(folder):
        yield from read_list(folder, setting, name)
    else:
        raise InputError(f"{setting}: there is no folder {shown(folder)}; correct the path in the config file")


def read_list(file: str, setting: str, name: re.Pattern) -> Iterator[Listed]:
    """Yield all files listed in a text file, one per line, as printed by `find` or `dx find data`.

    A line of `find -printf '%p\\t%s\\t%T@\\n'` states size and time, one of `dx find data` the id, which changes
    with the content.

    Raises:
        InputError: if it is not text, has lines but none with such a name, or one in which the name is not at the end
            of a path; names the setting and the line number.
    """
    inside = re.compile(rf"(?<![\w.-])(?:{name.pattern})(?![\w.~-])", name.flags)
    lines = [(number, line.strip()) for number, line in enumerate(_lines(file, setting), 1) if line.strip()]
    wanted = 0
    for number, line in lines:
        listed = _line(line, os.path.dirname(file))
        last = os.path.basename(listed.path)
        if name.fullmatch(last):
            wanted += 1
        elif inside.search(last):
            raise InputError(f"{setting}: {shown(file)}, line {number}: not a path as find or dx find data prints it")
        yield listed
    if lines and not wanted:
        raise InputError(f"{setting}: {shown(file)} names no such file in its {len(lines)} lines, one path per line")


def _lines(file: str, setting: str) -> list[str]:
    content = Path(file).read_bytes()
    if b"\0" in content:
        raise InputError(f"{setting}: {shown(file)} is neither a folder nor a text file (UTF-8) with one path per line")
    return content.decode("utf-8-sig", "surrogateescape").splitlines()


def _line(line: str, folder: str) -> Listed:
    if match := DX_LINE.fullmatch(line):
        return Listed(DX_MOUNT + match[1], match[2])
    if match := SIZED_LINE.fullmatch(line):
        return Listed(os.path.join(folder, match[1]), stamp(int(match[2]), int(match[3])))
    return Listed(os.path.join(folder, line))
