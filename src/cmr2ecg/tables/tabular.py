"""Covariates, disease labels with dates, and CMR phenotypes from UK Biobank's main tables (paper §IV-B)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.cohort import ReadTabular
from cmr2ecg.tables.cells import to_dates, to_eids, to_numbers
from cmr2ecg.tables.column_plan import Diagnoses, Plan, check_fields, make_plan, warn_of_visits
from cmr2ecg.tables.diagnoses import NO_RECORDS, Diseases, check_codes, disease_records
from cmr2ecg.tables.phenotypes import phenotype_fields, phenotype_ranges
from cmr2ecg.tables.ranges import Ranges, check_range, within
from cmr2ecg.tables.wide_table import read_columns

ROWS = 10_000  # subjects whose cells are processed together


@dataclass(frozen=True)
class Tabular:
    """All tables have one row per subject, the same subjects, in order of eid.

    covariates: eid and the requested fields, float64, NaN where absent.
    labels: eid and 0 or 1 (int8) for each disease.
    dates: eid, visit_date and <disease>_date of the first record, NaT where unknown.
    phenotypes: eid and 61 columns, float64, NaN where absent.
    """

    covariates: pd.DataFrame
    labels: pd.DataFrame
    dates: pd.DataFrame
    phenotypes: pd.DataFrame


def read_tabular(files: Sequence[Path], visits: pd.DataFrame, settings: ReadTabular) -> Tabular:
    """Read the needed columns of all files for the subjects of `visits` and join them on eid.

    A subject is labelled if every source of diagnoses has a row for it, in whichever file: 1 for any code, past or
    future, that starts with one of the disease's prefixes, else 0 (§IV-B). Others are left out of all tables.

    Args:
        files: csv, tab-separated, gzipped or parquet.
        visits: eid and instance, the imaging visit whose covariates, date and phenotypes are used.
        settings: which fields are read. Values of covariates outside its ranges, and of phenotypes outside
            `phenotype_ranges`, are left empty and counted.

    Raises:
        InputError: if no file is given, a field is in none of them, or a cell cannot be read; names the setting.
    """
    if not files:
        raise InputError("raw.tabular is empty: name the tables with age, sex, weight, height and ICD-10 diagnoses")
    used: Diagnoses = {name: source for name, source in settings.diagnoses if source.use}
    if not used:
        raise InputError("read_tabular.diagnoses: use is false everywhere; labels need at least one field of codes")
    instance = visits.set_index("eid")["instance"].sort_index()
    fields, diseases = dict(sorted(settings.fields)), settings.diseases  # columns from a to z
    wanted = {**fields, **phenotype_fields()}
    instances = sorted(instance.unique().tolist())
    plans = [make_plan(Path(file), instances, wanted, settings.visit_date, used) for file in files]
    check_fields(plans, fields, settings.visit_date, used)
    warn_of_visits(plans, fields, instance)
    limits = {**dict(settings.ranges), **phenotype_ranges()}
    parts = [part for plan in plans for part in read_file(plan, instance, diseases, limits)]
    if not parts:
        raise InputError("raw.tabular: no table has a row for any subject with an ECG and a CMR; check its column eid")
    numbers, records, seen = (pd.concat([getattr(part, name) for part in parts]) for name in PARTS)
    return _join(numbers, records, seen, list(used), list(fields), list(diseases))


@dataclass(frozen=True)
class Part:
    """Content of one piece of a file for the given subjects.

    numbers: values by eid. records: of diseases. seen: sources with a row. outside: name -> values out of range,
    all values. strange: field -> cells with something unknown, cells.
    """

    numbers: pd.DataFrame
    records: pd.DataFrame
    seen: pd.DataFrame
    outside: Mapping[str, tuple[int, int]]
    strange: Mapping[int, tuple[int, int]]


PARTS = ("numbers", "records", "seen")


def read_file(plan: Plan, instance: pd.Series, diseases: Diseases, ranges: Ranges) -> list[Part]:
    """Return the content of each piece of a file for the subjects of `instance` (visit by eid).

    Raises:
        InputError: if a cell cannot be read, or most of a column is implausible; names the file.
    """
    eids, parts = [], []
    for piece in chosen_rows(plan, instance.index):
        eids.append(to_eids(piece[plan.eid]))
        try:
            parts.append(_read_piece(piece, eids[-1], plan, instance, diseases, ranges))
        except InputError as error:
            raise InputError(f"raw.tabular: {plan.path}: {error}") from None
    try:
        for name in plan.numbers:
            check_range(name, _added(part.outside[name] for part in parts), ranges)
        for field in {source.codes[0].field for source in plan.sources}:
            check_codes(*_added(part.strange[field] for part in parts), field)
    except InputError as error:
        raise InputError(f"raw.tabular: {plan.path}: {error}") from None
    repeated = pd.Index(np.concatenate(eids)).duplicated().sum() if eids else 0
    if repeated:
        raise InputError(f"raw.tabular: {plan.path}: {repeated} rows repeat a subject; a table has one row for each")
    return parts


def _added(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    one, two = np.sum([(0, 0), *counts], axis=0).tolist()
    return one, two


def chosen_rows(plan: Plan, eids: pd.Index) -> Iterator[pa.Table]:
    """Yield the rows of the given subjects, some thousands at a time, since each piece has a cost per column.

    Raises:
        InputError: if an eid cannot be read; names the file.
    """
    kept: list[pa.Table] = []
    for piece in read_columns(plan.path, plan.columns()):
        try:
            rows = np.flatnonzero(np.isin(to_eids(piece[plan.eid]), eids))
        except InputError as error:
            raise InputError(f"raw.tabular: {plan.path}: {error}") from None
        if len(rows):
            kept.append(piece.take(pa.array(rows)))
        if sum(map(len, kept)) >= ROWS:
            yield pa.concat_tables(kept).combine_chunks()
            kept = []
    if kept:
        yield pa.concat_tables(kept).combine_chunks()


def _read_piece(
    piece: pa.Table, eids: np.ndarray, plan: Plan, instance: pd.Series, diseases: Diseases, ranges: Ranges
) -> Part:
    visit = instance.loc[eids].to_numpy()
    values: dict[str, np.ndarray] = {}
    outside = {}
    for name, columns in plan.numbers.items():
        values[name] = np.full(len(eids), np.nan)
        for number, column in columns.items():
            here = np.flatnonzero(visit == number)
            values[name][here] = to_numbers(piece[column].take(pa.array(here)), name)
        values[name], outside[name] = within(values[name], name, ranges)
    values["visit_date"] = np.full(len(eids), np.datetime64("NaT", "s"), "datetime64[s]")
    for number, column in plan.visit_dates.items():
        here = np.flatnonzero(visit == number)
        values["visit_date"][here] = to_dates(piece[column].take(pa.array(here)))
    index = pd.Index(eids, name="eid")
    found = [disease_records(piece, source, diseases) for source in plan.sources]
    strange = {s.codes[0].field: (odd, filled) for s, (_, odd, filled) in zip(plan.sources, found, strict=True)}
    records = pd.concat([NO_RECORDS, *(table for table, _, _ in found if len(table))])
    seen = pd.DataFrame({source.name: True for source in plan.sources}, index=index)
    records = records.assign(eid=eids[records["row"].to_numpy(int)])
    return Part(pd.DataFrame(values, index=index), records, seen, outside, strange)


def _join(
    numbers: pd.DataFrame,
    records: pd.DataFrame,
    seen: pd.DataFrame,
    sources: Sequence[str],
    fields: Sequence[str],
    diseases: Sequence[str],
) -> Tabular:
    """Join files on eid: the first non-missing value, a disease in any file, the earliest date of all."""
    complete = seen.reindex(columns=list(sources)).notna().groupby(level="eid").any().all(axis=1)
    eids = complete.index[complete]
    values = numbers.groupby(level="eid").first().reindex(eids)
    labels = pd.DataFrame(index=eids)
    dates = pd.DataFrame({"visit_date": values["visit_date"].astype("datetime64[s]")}, index=eids)
    for disease in diseases:
        first = records[records["disease"] == disease].groupby("eid")["date"].min()
        labels[disease] = eids.isin(first.index).astype("int8")
        dates[f"{disease}_date"] = first.reindex(eids).astype("datetime64[s]")
    tables = values.reindex(columns=list(fields)), labels, dates, values.reindex(columns=list(phenotype_fields()))
    return Tabular(*(table.rename_axis(index="eid").reset_index() for table in tables))
