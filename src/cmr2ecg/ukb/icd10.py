"""Diseases from ICD-10 codes as UK Biobank tables hold them (fields 41270, 41202, 41204, 40001, 40002)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def codes_in(cell: str) -> list[str]:
    """Return the codes of one cell, without dots: `I251`, `I25.1 Atherosclerotic ...`, `I251|I48`, `["I251","I48"]`."""
    cell = cell.strip()
    if cell.startswith("[") and cell.endswith("]"):
        parts = [part.strip().strip("\"'") for part in cell[1:-1].split(",")]
    else:
        parts = cell.split("|")
    return [part.split()[0].replace(".", "").upper() for part in parts if part.strip()]


def disease_flags(cells: np.ndarray, diseases: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return one boolean column a disease: has the subject any code that starts with one of its prefixes?

    Args:
        cells: (subjects, columns) strings, None where empty.
        diseases: name -> ICD-10 prefixes without dots, such as I20.
    """
    rows, columns = np.nonzero(~pd.isna(cells))
    kinds, kind = np.unique(cells[rows, columns].astype(str), return_inverse=True)
    codes = [codes_in(cell) for cell in kinds]
    flags = {}
    for disease, prefixes in diseases.items():
        hit = np.array([any(code.startswith(tuple(prefixes)) for code in part) for part in codes], bool)
        flags[disease] = np.bincount(rows[hit[kind]], minlength=len(cells)) > 0
    return pd.DataFrame(flags)
