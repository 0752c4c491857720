"""Covariates, disease labels and CMR phenotypes from UK Biobank's main tables (paper §IV-B)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cmr2ecg.command import InputError
from cmr2ecg.ukb.columns import columns_of, eid_column
from cmr2ecg.ukb.icd10 import disease_flags
from cmr2ecg.ukb.phenotypes import phenotype_fields
from cmr2ecg.ukb.tables import read_columns, read_header

log = logging.getLogger(__name__)

ONE_INSTANCE = ("sex",)  # asked once; every other covariate is taken at the imaging visit
SEX = {"Female": "0", "Male": "1"}  # coding 9


@dataclass(frozen=True)
class Tabular:
    """All tables have one row a subject, in order of eid.

    covariates: eid and the fields asked for, float64, NaN where absent.
    labels: eid and 0 or 1 (int8) for each disease.
    phenotypes: eid and 61 columns, float64, NaN where absent.
    """

    covariates: pd.DataFrame
    labels: pd.DataFrame
    phenotypes: pd.DataFrame


@dataclass(frozen=True)
class _Plan:
    """The columns to take from one file: eid, name -> column, and the columns with ICD-10 codes."""

    path: Path
    eid: str
    numbers: dict[str, str]
    codes: list[str]


def read_tabular(
    files: Sequence[Path],
    *,
    fields: Mapping[str, int],
    instance: int,
    icd10_fields: Sequence[int],
    diseases: Mapping[str, Sequence[str]],
    withdrawn: Iterable[int] = (),
) -> Tabular:
    """Read the needed columns of all files, join them on eid, and drop withdrawn subjects.

    Labels are given to every subject of the files that hold diagnoses: 1 for any code, past or future, that starts with
    one of the disease's prefixes, else 0 (§IV-B).

    Args:
        files: csv, tab-separated, gzipped or parquet.
        fields: covariate -> field id.
        instance: imaging visit of the covariates and phenotypes.
        icd10_fields: field ids of diagnoses and causes of death.
        diseases: disease -> ICD-10 prefixes without dots.
        withdrawn: eids to drop.

    Raises:
        InputError: if no file is given, or a field is in none of them; names the setting.
    """
    if not files:
        raise InputError("raw.tabular is empty: name the tables with age, sex, weight, height and ICD-10 diagnoses")
    plans = [_plan(Path(file), fields, instance, icd10_fields) for file in files]
    _check_fields(plans, fields, icd10_fields)
    numbers, flags = _join([_read(plan, diseases) for plan in plans])
    gone = set(withdrawn)
    numbers, flags = (table[~table.index.isin(gone) & (table.index > 0)] for table in (numbers, flags))
    return Tabular(
        covariates=numbers.reindex(columns=list(fields)).reset_index(),
        labels=flags[list(diseases)].astype("int8").reset_index(),
        phenotypes=numbers.reindex(columns=list(phenotype_fields())).reset_index(),
    )


def _plan(path: Path, fields: Mapping[str, int], instance: int, icd10_fields: Sequence[int]) -> _Plan:
    header = read_header(path)
    eid = eid_column(header)
    if eid is None:
        raise InputError(f"raw.tabular: {path} has no column eid; its first columns are {', '.join(header[:5])}")
    numbers = {}
    for name, field in {**fields, **phenotype_fields()}.items():
        found = columns_of(header, field, None if name in ONE_INSTANCE else instance)
        if found:
            numbers[name] = found[0]
    codes = [column for field in icd10_fields for column in columns_of(header, field)]
    return _Plan(path, eid, numbers, codes)


def _check_fields(plans: Sequence[_Plan], fields: Mapping[str, int], icd10_fields: Sequence[int]) -> None:
    names = {name for plan in plans for name in plan.numbers}
    there = " or ".join(str(plan.path) for plan in plans)
    for name, field in fields.items():
        if name not in names:
            raise InputError(
                f"read_tabular.fields.{name}: field {field} is not in {there} at read_tabular.instance; add the table "
                "that holds it to raw.tabular or correct the field id"
            )
    codes = [column for plan in plans for column in plan.codes]
    for field in icd10_fields:
        if not columns_of(codes, field):
            raise InputError(
                f"read_tabular.icd10_fields: field {field} is not in {there}; add the table that holds it to "
                "raw.tabular or take the field off the list"
            )
    absent = len(phenotype_fields().keys() - names)
    if absent:
        log.warning("%d of 61 CMR phenotypes (category 157) are in no table and left empty", absent)


def _read(plan: _Plan, diseases: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return numbers and disease flags of one file, indexed by eid; no flags if it holds no diagnoses."""
    numbers, flags = [], []
    for piece in read_columns(plan.path, [plan.eid, *dict.fromkeys(plan.numbers.values()), *plan.codes]):
        eid = pd.Index(_number(piece[plan.eid], pa.int64(), plan), name="eid")
        values = {name: _number(piece[column], pa.float64(), plan) for name, column in plan.numbers.items()}
        numbers.append(pd.DataFrame(values, index=eid))
        if plan.codes:
            cells = np.column_stack([piece[column].to_numpy() for column in plan.codes])
            flags.append(disease_flags(cells, diseases).set_index(eid))
    empty = pd.DataFrame(index=pd.Index([], dtype="int64", name="eid"))
    return pd.concat(numbers or [empty]), pd.concat(flags or [empty])


def _number(column: pa.ChunkedArray, kind: pa.DataType, plan: _Plan) -> np.ndarray:
    text = pc.utf8_trim_whitespace(column)
    for label, code in SEX.items():
        text = pc.if_else(pc.equal(text, label), code, text)
    try:
        return text.cast(kind).to_numpy()
    except pa.ArrowInvalid as error:
        raise InputError(
            f"raw.tabular: {plan.path} has text where a number belongs; see its columns "
            "for read_tabular.fields, the eid and the phenotypes"
        ) from error


def _join(tables: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join files on eid: the first value that is there counts, and a disease in any file."""
    numbers = pd.concat([table for table, _ in tables]).groupby(level="eid").first()
    flags = pd.concat([flags for _, flags in tables if len(flags.columns)]).groupby(level="eid").any()
    return numbers, flags
