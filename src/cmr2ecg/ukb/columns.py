"""Read the column names of UK Biobank tables, in all their spellings."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

EID_NAMES = ("eid", "f.eid", "participant.eid")
_FORMS = (
    re.compile(r"(?:f\.|X)?(\d+)[-.](\d+)\.(\d+)"),  # ukbconv csv 31-0.0, R f.31.0.0, R-mangled X31.0.0
    re.compile(r"(?:participant\.)?p(\d+)(?:_i(\d+))?(?:_a(\d+))?"),  # Research Analysis Platform p21003_i2
    re.compile(r"(\d+)()()"),
)


@dataclass(frozen=True)
class Column:
    """A table's column: its name as written, field id, and instance and array index where the name has them."""

    name: str
    field: int
    instance: int | None
    array: int | None


def parse_column(name: str) -> Column | None:
    """Return what a column's name says, None if it names no field."""
    bare = name.strip().strip('"').strip()
    for form in _FORMS:
        match = form.fullmatch(bare)
        if match:
            field, instance, array = (int(part) if part else None for part in match.groups())
            return Column(name, field, instance, array)
    return None


def eid_column(names: Iterable[str]) -> str | None:
    """Return the name of the subject column as written, None if there is none."""
    return next((name for name in names if name.strip().strip('"').strip().lower() in EID_NAMES), None)


def columns_of(names: Iterable[str], field: int, instance: int | None = None) -> list[str]:
    """Return the columns of a field in order of instance and array index.

    Args:
        names: a table's header.
        field: field id.
        instance: only this visit, or a name without an instance; None takes all.
    """
    found = [column for column in map(parse_column, names) if column and column.field == field]
    if instance is not None:
        found = [column for column in found if column.instance in (instance, None)]
    return [column.name for column in sorted(found, key=lambda c: (c.instance or 0, c.array or 0))]
