"""ECGs for pre-trainings alone (`raw.unlabelled`): whatever lies in some folders, without a table.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import csv
import io
import logging
import os
from collections.abc import Mapping, Sequence

from cmr2ecg.raw.bulk import ECG_FIELD, name_of
from cmr2ecg.raw.endings import ECG_ENDINGS
from cmr2ecg.raw.ids import Numbers
from cmr2ecg.raw.listed import Listed
from cmr2ecg.raw.walk import files_below, shown
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import PRETRAIN

SETTING = "raw.unlabelled"
log = logging.getLogger(__name__)


def read_unlabelled(folders: Sequence[str], instance: int) -> dict[tuple[int, int], Listed]:
    """Return every ECG file below some folders, by (eid, instance), with the split PRETRAIN.

    A file is known by the folder's name and its place in it, so that a moved folder makes nothing stale; one with UK
    Biobank's name keeps its eid and visit, so that withdrawals hold for it.

    Args:
        folders: searched to any depth for files with the ending of an ECG format (raw/endings.py).
        instance: the visit as which other files are indexed.

    Raises:
        InputError: if a folder cannot be listed, two have the same name and files, or one has no such file.
    """
    found: dict[tuple[int, int], Listed] = {}
    numbers, ukb = Numbers(), name_of(ECG_FIELD)
    seen: set[str] = set()
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f"{SETTING}: {shown(folder)} is not a folder; name the folder of the files")
        whole = os.path.abspath(folder)
        paths = [path for path in sorted(files_below(whole, SETTING)) if path.lower().endswith(ECG_ENDINGS)]
        named = [path for path in paths if path.isprintable()]
        if len(named) < len(paths):
            count = len(paths) - len(named)
            log.warning("%s: %d files are left out whose names are not UTF-8 or cannot be printed", SETTING, count)
        if not named:
            why = "with a name that can be printed" if paths else f"({', '.join(ECG_ENDINGS)})"
            raise InputError(f"{SETTING}: {shown(folder)} has no ECG file {why}")
        for path in named:
            if path in seen:  # of a folder within another
                continue
            seen.add(path)
            match = ukb.fullmatch(os.path.basename(path))
            place = os.path.join(os.path.basename(whole), os.path.relpath(path, whole))
            key = (numbers(match[1]), int(match[2])) if match else (numbers(place), instance)
            if key in found and not match:
                raise InputError(f"{SETTING}: two folders have the name {os.path.basename(whole)}; rename one of them")
            found.setdefault(key, Listed(path, split=PRETRAIN))
    return found


def as_csv(files: Mapping[tuple[int, int], Listed]) -> str:
    """Return the files as a table of records (raw/record_table.py)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["eid", "instance", "path", "split"])
    writer.writerows((eid, instance, file.path, file.split) for (eid, instance), file in files.items())
    return text.getvalue()


def check_alone(ecgs: Mapping[tuple[int, int | None], Listed], used: bool, given: bool) -> None:
    """Raise InputError where an ECG for pre-trainings alone would be left out, or is of somebody who may be tested on.

    used: whether such ECGs are asked for. given: whether the split is that of the list; else anybody may be tested on.
    """
    of_subject: dict[int, set[str]] = {}
    of_eid: dict[int, set[str]] = {}
    for (eid, _), file in ecgs.items():
        of_subject.setdefault(file.subject or eid, set()).add(file.split)
        of_eid.setdefault(eid, set()).add(file.split)
    alone = [splits for splits in of_subject.values() if PRETRAIN in splits]
    if alone and not used:
        raise InputError(
            f"raw.ecg: {len(alone):,} subjects have ECGs with the split pretrain, yet index_cohort.unpaired_ecgs is "
            "false; set it to true, or drop them"
        )
    untested = {PRETRAIN, "train"} if given else {PRETRAIN}
    crossing = sum(not splits <= untested for splits in alone)
    if crossing:
        raise InputError(
            f"raw: {crossing:,} subjects have ECGs for pre-trainings alone and others that may be tested on; take the "
            "former away, or give those of one subject the split train and set split_subjects.method: given"
        )
    if both := sum(PRETRAIN in splits and len(splits) > 1 for splits in of_eid.values()):
        raise InputError(f"raw: {both:,} eids have ECGs of two splits; give each recording an eid of its own")
