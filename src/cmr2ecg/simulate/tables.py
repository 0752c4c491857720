"""The cohort's tables: fields as ukbconv writes them, and the withdrawal list."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from cmr2ecg.simulate.disease import CODE_COLUMNS
from cmr2ecg.simulate.phenotypes import FIELDS
from cmr2ecg.simulate.subject import Subject

_CONTRIBUTORY = 2
_BODY = ("eid", "31-0.0", "21003-2.0", "21002-2.0", "50-2.0", "53-2.0")
COLUMNS = (
    *_BODY,
    *(f"41270-0.{k}" for k in range(CODE_COLUMNS)),
    *(f"41280-0.{k}" for k in range(CODE_COLUMNS)),
    "40000-0.0",
    "40001-0.0",
    *(f"40002-0.{k}" for k in range(_CONTRIBUTORY)),
    *(f"{field}-2.0" for field in FIELDS.values()),
)


def tabular_row(subject: Subject, with_phenotypes: bool) -> list[str]:
    """Return the cells of one subject in the order of COLUMNS; an empty cell is a missing value."""
    person, heart, record = subject.person, subject.person.heart_ecg, subject.person.record
    body = [
        str(person.eid),
        str(int(heart.male)),
        str(int(heart.age)),
        f"{float(heart.weight_kg):.1f}",
        f"{float(heart.height_cm):.0f}",
        person.visited.isoformat(),
    ]
    values = [f"{value:.4f}" if with_phenotypes else "" for value in subject.phenotypes.values()]
    return [
        *body,
        *_padded(record.codes, CODE_COLUMNS),
        *_padded([day.isoformat() for day in record.dates], CODE_COLUMNS),
        _day(record.death),
        record.death_cause,
        *_padded(record.death_contributory, _CONTRIBUTORY),
        *values,
    ]


def write_tabular(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a csv with every cell in quotes, as ukbconv does."""
    with open(path, "w", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def write_withdrawn(path: Path, eids: Iterable[int]) -> None:
    """Write one eid a line, without a header."""
    path.write_text("".join(f"{eid}\n" for eid in eids))


def _padded(cells: Sequence[str], length: int) -> list[str]:
    return [*cells, *[""] * (length - len(cells))]


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
