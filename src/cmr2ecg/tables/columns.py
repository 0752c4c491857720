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
    """A table's column: its name as written, field id, and instance and array index if the name has them."""

    name: str
    field: int
    instance: int | None
    array: int | None


def parse_column(name: str) -> Column | None:
    """Parse a column's name; None if it names no field."""
    bare = _bare(name)
    for form in _FORMS:
        match = form.fullmatch(bare)
        if match:
            instance, array = (int(part) if part else None for part in match.groups()[1:])
            return Column(name, int(match[1]), instance, array)
    return None


def eid_columns(names: Iterable[str]) -> list[str]:
    """Return the names of the subject column as written: none, one, or several candidates."""
    return [name for name in names if _bare(name).lower() in EID_NAMES]


def repeated_column(columns: Iterable[Column]) -> tuple[str, str] | None:
    """Return two columns of the same field, instance and array index; None, as there should be, if there are none."""
    seen: dict[tuple[int, int, int], str] = {}
    for column in columns:
        key = column.field, column.instance or 0, column.array or 0  # p31 is 31-0.0
        if key in seen:
            return seen[key], column.name
        seen[key] = column.name
    return None


def columns_by_field(names: Iterable[str]) -> dict[int, list[Column]]:
    """Return the columns of a header by field id, each field's in order of instance and array index."""
    found: dict[int, list[Column]] = {}
    for column in filter(None, map(parse_column, names)):
        found.setdefault(column.field, []).append(column)
    for columns in found.values():
        columns.sort(key=lambda column: (column.instance or 0, column.array or 0))
    return found


def at_visit(columns: Iterable[Column], instance: int) -> Column | None:
    """Return a field's first column at one visit, else one whose name has no instance; None if there is neither."""
    there = [column for column in columns if column.instance in (instance, None)]
    return next((column for column in there if column.instance == instance), there[0] if there else None)


def _bare(name: str) -> str:
    return name.strip().strip('"').strip()
