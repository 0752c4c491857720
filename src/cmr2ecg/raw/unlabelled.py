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
        InputError: if a folder cannot be listed, two have the same name and files, or nothing is found.
    """
    found: dict[tuple[int, int], Listed] = {}
    numbers, ukb, odd = Numbers(), name_of(ECG_FIELD), 0
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f"{SETTING}: {shown(folder)} is not a folder; name the folder of the files")
        whole = os.path.abspath(folder)
        count = len(found)
        for path in sorted(files_below(whole, SETTING)):
            if not path.lower().endswith(ECG_ENDINGS):
                continue
            if shown(path) != path:
                odd += 1
                continue
            match = ukb.fullmatch(os.path.basename(path))
            place = os.path.join(os.path.basename(whole), os.path.relpath(path, whole))
            key = (int(match[1]), int(match[2])) if match else (numbers(place), instance)
            if key in found and not match:
                raise InputError(f"{SETTING}: two folders have the name {os.path.basename(whole)}; rename one of them")
            found.setdefault(key, Listed(path, split=PRETRAIN))
        if len(found) == count:
            raise InputError(f"{SETTING}: {shown(folder)} has no ECG file ({', '.join(ECG_ENDINGS)}) of its own")
    if odd:
        log.warning("%s: %d files whose names are not UTF-8 are left out", SETTING, odd)
    return found


def as_csv(files: Mapping[tuple[int, int], Listed]) -> str:
    """Return the files as a table of records (raw/record_table.py)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["eid", "instance", "path", "split"])
    writer.writerows((eid, instance, file.path, file.split) for (eid, instance), file in files.items())
    return text.getvalue()
