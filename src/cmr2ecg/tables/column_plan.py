"""Plan which columns of which table to read, from the settings of read_tabular and the tables' headers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.cohort import Codes
from cmr2ecg.tables.columns import Column, at_visit, columns_by_field, eid_columns, repeated_column
from cmr2ecg.tables.diagnoses import Source, source_of
from cmr2ecg.tables.phenotypes import phenotype_fields
from cmr2ecg.tables.wide_table import read_header

log = logging.getLogger(__name__)

ONE_INSTANCE = ("sex",)  # recorded once; all other covariates are those of the imaging visit
Diagnoses = Mapping[str, Codes]  # by the name of the source


@dataclass(frozen=True)
class Plan:
    """What to take from one file.

    numbers: name -> imaging visit -> column. visit_dates: visit -> column. sources: those in the file.
    """

    path: Path
    eid: str
    numbers: dict[str, dict[int, str]]
    visit_dates: dict[int, str]
    sources: list[Source]
    fields: frozenset[int] = field(default_factory=frozenset)

    def columns(self) -> list[str]:
        """Return the columns to read, each once."""
        by_visit = [*self.numbers.values(), self.visit_dates]
        names = [name for columns in by_visit for name in columns.values()]
        return list(dict.fromkeys([self.eid, *names, *(c for source in self.sources for c in source.columns())]))


def make_plan(
    path: Path, instances: Sequence[int], wanted: Mapping[str, int], visit_date: int | None, used: Diagnoses
) -> Plan:
    """Return what to read from one file.

    Raises:
        InputError: if it has no column of subjects.
    """
    header = read_header(path)
    eid = _subjects(path, header)
    by_field = columns_by_field(header)
    recorded = [field for source in used.values() for field in (source.codes, source.dates)]
    read = {field for field in (*wanted.values(), visit_date, *recorded) if field is not None}
    repeated = repeated_column(column for field in read & by_field.keys() for column in by_field[field])
    if repeated:
        raise InputError(
            f"raw.tabular: {path} has the columns {' and '.join(repeated)}, which are the same; keep one of them"
        )
    numbers = {
        name: found
        for name, number in wanted.items()
        if (found := _by_visit(by_field.get(number, []), instances, once=name in ONE_INSTANCE))
    }
    sources = [
        source_of(name, by_field[source.codes], by_field.get(source.dates or 0, []), source.dates)
        for name, source in used.items()
        if source.codes in by_field
    ]
    dates = [] if visit_date is None else by_field.get(visit_date, [])
    return Plan(path, eid, numbers, _by_visit(dates, instances), sources, frozenset(by_field))


def _subjects(path: Path, header: Sequence[str]) -> str:
    found = eid_columns(header)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"raw.tabular: {path} has the columns {' and '.join(found)}; keep one of them")
    why = "; on the Research Analysis Platform export with header style FIELD-NAME"
    for sign, name in ((";", "semicolons"), ("|", "vertical bars"), (" ", "blanks")):
        if len(header) == 1 and eid_columns(header[0].split(sign)):
            why = f": {name} separate them; save the table with commas or tabs"
    raise InputError(f"raw.tabular: {path} has no column eid among the {len(header)} names in its first line{why}")


def _by_visit(columns: Sequence[Column], instances: Sequence[int], once: bool = False) -> dict[int, str]:
    """Return visit -> column; with `once` the first column for every visit."""
    if once:
        return {instance: columns[0].name for instance in instances if columns}
    found = {instance: at_visit(columns, instance) for instance in instances}
    return {instance: column.name for instance, column in found.items() if column}


def check_fields(plans: Sequence[Plan], fields: Mapping[str, int], visit_date: int | None, used: Diagnoses) -> None:
    """Raise if a field is in no file; warn of missing phenotypes.

    Raises:
        InputError: names the setting and the field.
    """
    there = " or ".join(str(plan.path) for plan in plans)
    absent = "{}: field {} is not in " + there + "{}; add the table that holds it to raw.tabular or {}"
    names = {name for plan in plans for name in plan.numbers}
    for name, number in fields.items():
        if name not in names:
            at = "" if name in ONE_INSTANCE else " at the imaging visits of index_cohort.instances"
            raise InputError(absent.format(f"read_tabular.fields.{name}", number, at, "correct the field id"))
    if visit_date is not None and not any(plan.visit_dates for plan in plans):
        raise InputError(absent.format("read_tabular.visit_date", visit_date, "", "write null to omit dates"))
    known = frozenset().union(*(plan.fields for plan in plans))
    for name, source in used.items():
        setting = f"read_tabular.diagnoses.{name}"
        if source.codes not in known:
            raise InputError(absent.format(f"{setting}.codes", source.codes, "", f"switch it off ({setting}.use)"))
        dated = any(part.name == name and part.dates for plan in plans for part in plan.sources)
        if source.dates is not None and not dated:
            beside = f" beside field {source.codes}"
            raise InputError(absent.format(f"{setting}.dates", source.dates, beside, "write null to omit them"))
    lacking = len(phenotype_fields().keys() - names)
    if lacking:
        log.warning("%d of 61 CMR phenotypes (category 157) are in no table and left empty", lacking)


def warn_of_visits(plans: Sequence[Plan], fields: Mapping[str, int], instance: pd.Series) -> None:
    """Warn of covariates that no table has at the visit of some subjects."""
    for name, number in fields.items():
        there = {visit for plan in plans for visit in plan.numbers.get(name, {})}
        lost = int((~instance.isin(there)).sum())
        if lost:
            log.warning("field %d (%s) is in no table for the visit of %d subjects and left empty", number, name, lost)
