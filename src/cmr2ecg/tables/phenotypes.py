"""The 61 CMR phenotypes of the paper (§IV-B), UK Biobank category 157, as a table: phenotypes_61.tsv."""

from functools import cache
from importlib.resources import files

import pandas as pd

from cmr2ecg.study.targets import PHENOTYPE_GROUPS

COLUMNS = ["field_id", "bai_name", "ukb_title", "units", "low", "high"]


@cache
def phenotype_table() -> pd.DataFrame:
    """Return field_id, bai_name, ukb_title, units, group, and low and high (plausible limits), by field id."""
    with files("cmr2ecg.tables").joinpath("phenotypes_61.tsv").open(encoding="utf-8") as handle:
        table = pd.read_csv(handle, sep="\t", usecols=COLUMNS)
    prefix = table["bai_name"].str.extract(r"^(LV|RV|WT|Ecc|Err)", expand=False)
    return table.assign(group=prefix.str.lower())


def phenotype_fields() -> dict[str, int]:
    """Return name -> field id of all 61 phenotypes."""
    table = phenotype_table()
    return dict(zip(table["bai_name"], table["field_id"].tolist(), strict=True))


def phenotype_ranges() -> dict[str, tuple[float, float]]:
    """Return name -> lowest and highest plausible value, wide enough for any heart; in the phenotype's unit."""
    table = phenotype_table()
    return dict(zip(table["bai_name"], zip(table["low"], table["high"], strict=True), strict=True))


def phenotype_names(group: str) -> list[str]:
    """Return the names of one group: lv (6), rv (4), wt, ecc or err (17 each: 16 AHA segments and the global value).

    Raises:
        KeyError: if there is no such group.
    """
    if group not in PHENOTYPE_GROUPS:
        raise KeyError(f"{group} is not one of {', '.join(PHENOTYPE_GROUPS)}")
    table = phenotype_table()
    return table.loc[table["group"] == group, "bai_name"].tolist()
