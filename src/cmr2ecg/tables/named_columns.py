"""Labels and covariates from a table with named columns: for ECGs from elsewhere than UK Biobank.

Columns: eid (any text, as in raw.ecg), 0 or 1 for each disease (named as in read_tabular.diseases), sex (Female or
Male), and age, weight, height where known; instance where a subject has several records. There are no phenotypes and no
dates.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.cells import to_id_numbers, to_numbers, to_words_of_sex
from cmr2ecg.tables.phenotypes import phenotype_fields
from cmr2ecg.tables.ranges import Ranges, check_range, within
from cmr2ecg.tables.tabular import Tabular
from cmr2ecg.tables.wide_table import check_once, read_columns, read_header

log = logging.getLogger(__name__)


def read_named(
    files: Sequence[Path], visits: pd.DataFrame, covariates: Sequence[str], diseases: Sequence[str], ranges: Ranges
) -> Tabular:
    """Return the tables of the indexed subjects with a label for every disease that has a column.

    A disease without a column is in no table, with a warning, and cannot be trained on. A covariate outside its range
    is left empty and counted. Of a table with instances only rows of the records that are used count.

    Args:
        files: the tables.
        visits: eid and instance of the records that are used.
        covariates, diseases: names of columns.
        ranges: of the covariates.

    Raises:
        InputError: if no table has an eid, no disease has a column, or a cell cannot be read; names setting and file.
    """
    if not files:
        raise InputError("raw.tabular is empty: name a table with eid and a column of 0 and 1 for each disease")
    wanted = [*covariates, *diseases]
    used = pd.MultiIndex.from_frame(visits[["eid", "instance"]])
    values = pd.concat([_read(Path(file), wanted, used, ranges) for file in files])
    values = values.groupby(level="eid").first().reindex(columns=wanted)
    known = [name for name in diseases if values[name].notna().any()]
    if not known:
        raise InputError(f"raw.tabular: no table has a column named {', '.join(diseases)} with 0 and 1")
    for name in wanted:
        if values[name].isna().all():
            log.warning("raw.tabular: no column %s; %s", name, "left out" if name in diseases else "left empty")
    values = values[values[known].notna().all(axis=1)].sort_index()
    labels = values[known].astype("int8")
    never = pd.Series(np.datetime64("NaT", "s"), values.index, dtype="datetime64[s]")
    dates = pd.DataFrame({name: never for name in ("visit_date", *(f"{name}_date" for name in known))})
    phenotypes = pd.DataFrame(np.nan, values.index, list(phenotype_fields()))
    tables = values[list(covariates)].astype(float), labels, dates, phenotypes
    return Tabular(*(table.rename_axis(index="eid").reset_index() for table in tables))


def _values(cells: pa.ChunkedArray, name: str) -> np.ndarray:
    return to_words_of_sex(cells) if name == "sex" else to_numbers(cells, name)


def _read(path: Path, wanted: Sequence[str], used: pd.MultiIndex, ranges: Ranges) -> pd.DataFrame:
    """Return the wanted columns that a table has, for the records that are used, by eid."""
    header = read_header(path)
    if "eid" not in header:
        semicolons = "; semicolons separate its names, save it with commas or tabs" if ";" in "".join(header) else ""
        raise InputError(f"raw.tabular: {path} has no column eid{semicolons}")
    there = [name for name in wanted if name in header]
    visit = [name for name in ("instance",) if name in header]
    check_once(path, header, ["eid", *visit, *there])
    parts = [pd.DataFrame(columns=there, index=pd.Index([], name="eid", dtype="int64"))]
    try:
        for piece in read_columns(path, ["eid", *visit, *there]):
            eids = to_id_numbers(piece["eid"])
            keep = np.isin(eids, used.get_level_values("eid"))
            if visit:
                keep &= pd.MultiIndex.from_arrays([eids, to_numbers(piece["instance"], "instance")]).isin(used)
            rows = piece.take(pa.array(np.flatnonzero(keep)))
            columns = {name: _values(rows[name], name) for name in there}
            parts.append(pd.DataFrame(columns, index=pd.Index(eids[keep], name="eid")))
    except InputError as error:
        raise InputError(f"raw.tabular: {path}: {error}") from None
    table = pd.concat(parts[1:] or parts)
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
