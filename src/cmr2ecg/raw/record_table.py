"""A table of records and their subjects, for ECGs whose files are not named by UK Biobank's eids.

A csv with the columns eid (the user's own integer of seven digits or more) and path (relative to the csv unless
absolute; the extension .hea may be omitted), and instance if a subject has several records; other columns, such as
labels, are ignored.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import csv
import os
from pathlib import Path

from cmr2ecg.runtime.command import InputError

NEEDED = ("eid", "path")
EIDS = range(1_000_000, 2**53)  # audit_withdrawn cannot distinguish shorter ones from other numbers


def is_record_table(path: str) -> bool:
    """Return whether a path given as raw.ecg is such a table."""
    return path.lower().endswith(".csv") and os.path.isfile(path)


def read_record_table(file: str, setting: str) -> dict[tuple[int, int], str]:
    """Return the path of every record by (eid, instance); instance 0 where there is no such column.

    Raises:
        InputError: if a column is missing or a cell cannot be used; names setting, file and line, not the cell.
    """
    found: dict[tuple[int, int], str] = {}
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)  # an unclosed quote would swallow all following lines
            _check_names(list(reader.fieldnames or ()), f"{setting}: {file}")
            for row in reader:
                key = _whole(row["eid"]), _whole(row.get("instance") or "0")
                path = (row["path"] or "").strip()
                if key[0] not in EIDS or key[1] < 0 or not path:
                    raise InputError(
                        f"{setting}: {file}, line {reader.line_num}: no eid of seven digits or more, or no path"
                    )
                if key in found:
                    raise InputError(
                        f"{setting}: {file}, line {reader.line_num}: a second record of a subject; number them in a "
                        "column instance, the earliest of index_cohort.instances is used"
                    )
                found[key] = _absolute(path, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{setting}: {file} cannot be read as a csv ({type(error).__name__})") from error
    return found


def _check_names(names: list[str], where: str) -> None:
    for name in (*NEEDED, "instance"):
        if names.count(name) > 1:
            raise InputError(f"{where} has {names.count(name)} columns {name}; keep one of them")
        if name in NEEDED and name not in names:
            mark = next((mark for mark in ";\t|" if any(mark in other for other in names)), None)
            why = f"; separate them by commas, not by {mark!r}" if mark else ""
            raise InputError(f"{where} has no column {name}; a table of records needs eid and path{why}")


def _whole(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else -1


def _absolute(path: str, file: str) -> str:
    whole = os.path.join(os.path.dirname(file), path)
    return whole if Path(whole).suffix.lower() in (".hea", ".xml") else whole + ".hea"
