"""Labels and covariates from a table with named columns: for ECGs from elsewhere than UK Biobank.

Columns: eid, 0 or 1 for each disease (named as in read_tabular.diseases), and sex, age, weight, height where
known. There are no phenotypes and no dates.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.cells import to_eids, to_numbers
from cmr2ecg.tables.phenotypes import phenotype_fields
from cmr2ecg.tables.ranges import Ranges, check_range, within
from cmr2ecg.tables.tabular import Tabular
from cmr2ecg.tables.wide_table import check_once, read_columns, read_header

log = logging.getLogger(__name__)


def read_named(
    files: Sequence[Path], eids: np.ndarray, covariates: Sequence[str], diseases: Sequence[str], ranges: Ranges
) -> Tabular:
    """Return the tables of the subjects with a label for every disease that has a column.

    A disease without a column counts as absent in every subject, with a warning, and cannot be trained on. A covariate
    outside its range is left empty and counted.

    Raises:
        InputError: if no table has an eid, no disease has a column, or a cell cannot be read; names setting and file.
    """
    if not files:
        raise InputError("raw.tabular is empty: name a table with eid and a column of 0 and 1 for each disease")
    wanted = [*covariates, *diseases]
    values = pd.concat([_read(Path(file), wanted, ranges) for file in files])
    values = values.groupby(level="eid").first().reindex(columns=wanted)
    known = [name for name in diseases if values[name].notna().any()]
    if not known:
        raise InputError(f"raw.tabular: no table has a column named {', '.join(diseases)} with 0 and 1")
    for name in wanted:
        if values[name].isna().all():
            log.warning("raw.tabular: no column %s; %s", name, "0 for everyone" if name in diseases else "left empty")
    values = values[values.index.isin(eids) & values[known].notna().all(axis=1)].sort_index()
    labels = values[list(diseases)].fillna(0).astype("int8")
    never = pd.Series(np.datetime64("NaT", "s"), values.index, dtype="datetime64[s]")
    dates = pd.DataFrame({name: never for name in ("visit_date", *(f"{name}_date" for name in diseases))})
    phenotypes = pd.DataFrame(np.nan, values.index, list(phenotype_fields()))
    tables = values[list(covariates)].astype(float), labels, dates, phenotypes
    return Tabular(*(table.rename_axis(index="eid").reset_index() for table in tables))


def _read(path: Path, wanted: Sequence[str], ranges: Ranges) -> pd.DataFrame:
    header = read_header(path)
    if "eid" not in header:
        semicolons = "; semicolons separate its names, save it with commas or tabs" if ";" in "".join(header) else ""
        raise InputError(f"raw.tabular: {path} has no column eid{semicolons}")
    there = [name for name in wanted if name in header]
    check_once(path, header, ["eid", *there])
    parts = []
    try:
        for piece in read_columns(path, ["eid", *there]):
            columns = {name: to_numbers(piece[name], name) for name in there}
            parts.append(pd.DataFrame(columns, index=pd.Index(to_eids(piece["eid"]), name="eid")))
    except InputError as error:
        raise InputError(f"raw.tabular: {path}: {error}") from None
    table = pd.concat(parts) if parts else pd.DataFrame(columns=there, index=pd.Index([], name="eid", dtype="int64"))
    table = table[table.index > 0]
    for name in there:
        values, counts = within(table[name].to_numpy(float), name, ranges)
        table = table.assign(**{name: values})
        try:
            check_range(name, counts, ranges)
        except InputError as error:
            raise InputError(f"raw.tabular: {path}: {error}") from None
    diseases = [name for name in there if name not in ("sex", "age", "weight", "height")]
    for name in diseases:
        if not table[name].dropna().isin((0, 1)).all():
            raise InputError(f"raw.tabular: {path}: a label other than 0 and 1, in the column of {name}")
    differ = table[diseases].groupby(level="eid").nunique()
    if (differ > 1).any(axis=None):
        raise InputError(
            f"raw.tabular: {path}: {int((differ > 1).any(axis=1).sum())} subjects have contradicting labels"
        )
    return table
