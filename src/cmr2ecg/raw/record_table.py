"""A table of records and their subjects, for ECGs whose files are not named by UK Biobank's eids.

A csv with the columns eid (any text that names the subject) and path (relative to the csv unless absolute; an
extension .hea may be omitted), and instance if a subject has several records of which one is used. With `subject`,
eid names the recording and a subject may have several, which all are used; `split` says in which split it is,
or that it is for pre-trainings alone. Other columns, such as labels, are ignored.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from cmr2ecg.raw.endings import ECG_ENDINGS
from cmr2ecg.raw.ids import Numbers
from cmr2ecg.raw.listed import Listed, file_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import PRETRAIN, SPLITS

NEEDED = ("eid", "path")
SINGLE = (*NEEDED, "instance", "subject", "split")


def is_record_table(path: str) -> bool:
    """Return whether a path given as raw.ecg is such a table."""
    return path.lower().endswith(".csv") and os.path.isfile(path)


def read_record_table(file: str, setting: str) -> dict[tuple[int, int], Listed]:
    """Return every record by (eid, instance), eid as its internal number; instance 0 where there is no such column.

    Raises:
        InputError: if a column is missing or a cell cannot be used; names setting, file and line, not the cell.
    """
    found: dict[tuple[int, int], Listed] = {}
    numbers, subjects = Numbers(), Numbers()
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)  # an unclosed quote would swallow all following lines
            _check_names(list(reader.fieldnames or ()), f"{setting}: {file}")
            for row in reader:
                where = f"{setting}: {file}, line {reader.line_num}"
                (key, listed) = _record(row, where, file, numbers, subjects)
                if key in found:
                    raise InputError(
                        f"{where}: a second record of a subject; number them in a column instance, the earliest of "
                        "index_cohort.instances is used, or give each an eid of its own and name the subject in a "
                        "column subject"
                    )
                found[key] = listed
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{setting}: {file} cannot be read as a csv ({type(error).__name__})") from error
    return found


def _record(
    row: Mapping[str, str | None], where: str, file: str, numbers: Numbers, subjects: Numbers
) -> tuple[tuple[int, int], Listed]:
    cells = {name: (row.get(name) or "").strip() for name in SINGLE}
    instance = cells["instance"] or "0"
    if not (cells["eid"] and cells["path"]):
        raise InputError(f"{where}: no eid or no path")
    if not (instance.isascii() and instance.isdigit() and len(instance) < 7):
        raise InputError(f"{where}: instance is not a whole number")
    if "subject" in row and not cells["subject"]:
        raise InputError(f"{where}: no subject")
    if cells["split"] and cells["split"] not in (*SPLITS, PRETRAIN):
        raise InputError(f"{where}: split is none of {', '.join((*SPLITS, PRETRAIN))}")
    key = numbers(cells["eid"]), int(instance)
    subject = subjects(cells["subject"]) if cells["subject"] else 0
    return key, Listed(_absolute(cells["path"], file), "", subject, cells["split"])


def _check_names(names: list[str], where: str) -> None:
    for name in SINGLE:
        if names.count(name) > 1:
            raise InputError(f"{where} has {names.count(name)} columns {name}; keep one of them")
        if name in NEEDED and name not in names:
            mark = next((mark for mark in ";\t|" if any(mark in other for other in names)), None)
            why = f"; separate them by commas, not by {mark!r}" if mark else ""
            raise InputError(f"{where} has no column {name}; a table of records needs eid and path{why}")


def _absolute(path: str, file: str) -> str:
    whole = os.path.join(os.path.dirname(file), path)
    known = Path(whole).suffix.lower() in ECG_ENDINGS or file_of(whole) != whole
    return whole if known else whole + ".hea"
