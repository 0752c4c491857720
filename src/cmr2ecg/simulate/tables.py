"""The cohort's tables: fields as written by ukbconv, and the withdrawal list."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from cmr2ecg.simulate.disease import CODE_COLUMNS, Record
from cmr2ecg.simulate.phenotypes import FIELDS
from cmr2ecg.simulate.subject import Subject

_CONTRIBUTORY = 2
_HALF = (CODE_COLUMNS + 1) // 2
_BODY = ("21003", "21002", "50", "53")  # age, weight, height, date
_ARRAYS = {"41270": CODE_COLUMNS, "41280": CODE_COLUMNS, "41202": _HALF, "41262": _HALF, "41204": _HALF}
COLUMNS = (
    "eid",
    "31-0.0",
    *(f"{field}-{visit}.0" for visit in (2, 3) for field in _BODY),
    *(f"{field}-0.{k}" for field, arrays in _ARRAYS.items() for k in range(arrays)),
    "40000-0.0",
    "40001-0.0",
    *(f"40002-0.{k}" for k in range(_CONTRIBUTORY)),
    *(f"{field}-{visit}.0" for visit in (2, 3) for field in FIELDS.values()),
)


def tabular_row(subject: Subject, with_phenotypes: bool, again: Subject | None = None) -> list[str]:
    """Return the cells of one subject in the order of COLUMNS; an empty cell is a missing value.

    Args:
        subject: as seen at the first imaging visit.
        with_phenotypes: whether the CMR was measured.
        again: as seen at the second imaging visit, if any.
    """
    record, visits = subject.person.record, (subject, again)
    return [
        str(subject.person.eid),
        str(int(subject.person.heart_ecg.male)),
        *(cell for visit in visits for cell in _body(visit)),
        *_diagnoses(record),
        _day(record.death),
        record.death_cause,
        *_padded(record.death_contributory, _CONTRIBUTORY),
        *(cell for visit in visits for cell in _phenotypes(visit if with_phenotypes else None)),
    ]


def _body(subject: Subject | None) -> list[str]:
    """Return age, weight, height and date of one visit."""
    if subject is None:
        return [""] * len(_BODY)
    heart, day = subject.person.heart_ecg, subject.when.date()
    age = float(heart.age) + (day - subject.person.visited).days / 365.25
    return [str(int(age)), f"{float(heart.weight_kg):.1f}", f"{float(heart.height_cm):.0f}", day.isoformat()]


def _diagnoses(record: Record) -> list[str]:
    """Return all diagnoses and dates; then every second one as main diagnosis, with dates; then the secondary ones."""
    codes, days = record.codes, [day.isoformat() for day in record.dates]
    parts = (codes, CODE_COLUMNS), (days, CODE_COLUMNS), (codes[::2], _HALF), (days[::2], _HALF), (codes[1::2], _HALF)
    return [cell for cells, length in parts for cell in _padded(cells, length)]


def _phenotypes(subject: Subject | None) -> list[str]:
    return [""] * len(FIELDS) if subject is None else [f"{value:.4f}" for value in subject.phenotypes.values()]


def write_tabular(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a csv with every cell in quotes, as ukbconv does."""
    with open(path, "w", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def write_withdrawn(path: Path, eids: Iterable[int]) -> None:
    """Write one eid per line, without a header."""
    path.write_text("".join(f"{eid}\n" for eid in eids))


def _padded(cells: Sequence[str], length: int) -> list[str]:
    return [*cells, *[""] * (length - len(cells))]


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
