"""Parse numbers and dates from text cells. Errors name neither the file nor the cell's content."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cmr2ecg.raw.ids import number_of
from cmr2ecg.runtime.command import InputError

MISSING = ["", "NA", "NaN", "nan", "NULL"]
MAX_EID = 2**53  # whole numbers are exact up to here
SCIENTIFIC = re.compile(r"[+-]?\d[.](\d+)[eE]\+?(\d+)")
SEX = {"Female": "0", "Male": "1"}  # coding 9
SEX_WORDS = {"female": 0, "f": 0, "male": 1, "m": 1}
DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ].*)?")


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return stripped text, null where empty or a missing-value mark."""
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)


def to_eids(column: pa.ChunkedArray) -> np.ndarray:
    """Return eids as int64, 0 where the cell is empty.

    Raises:
        InputError: if a cell is not a whole number, or was rounded by a spreadsheet, such as 9.00E+06.
    """
    text = trimmed(column)
    try:
        numbers = pc.fill_null(text.cast(pa.float64()), 0).to_numpy()
    except pa.ArrowInvalid:
        numbers = np.array([np.nan])
    if not ((np.abs(numbers) <= MAX_EID).all() and (numbers == np.rint(numbers)).all()):
        raise InputError("the column eid holds something other than whole numbers; correct the table")
    for number in text.filter(pc.fill_null(pc.match_substring(text, "e", ignore_case=True), False)).to_pylist():
        match = SCIENTIFIC.fullmatch(number)
        if not match or len(match[1]) < int(match[2]):  # digits are missing
            raise InputError("the column eid holds rounded numbers such as 9.00E+06; save it as whole numbers")
    return numbers.astype(np.int64)


def to_id_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return the internal numbers (int64) of ids that are any text (raw/ids.py), 0 where the cell is empty."""
    encoded = pd.Categorical(trimmed(column).to_pandas())
    numbers = np.array([*map(number_of, encoded.categories), 0], np.int64)
    return numbers[encoded.codes]


def to_words_of_sex(column: pa.ChunkedArray) -> np.ndarray:
    """Return Female and Male, in full or by their first letter, as 0 and 1, NaN where empty.

    Raises:
        InputError: if a cell is anything else, also 0 or 1, of which nobody can see which is which.
    """
    encoded = pd.Categorical(trimmed(column).to_pandas())
    words = [SEX_WORDS.get(str(word).strip().lower()) for word in encoded.categories]
    if None in words:
        raise InputError("the column sex holds something other than Female and Male, which alone are certain")
    return np.array([*words, np.nan], float)[encoded.codes]


def to_numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Return a column as float64, NaN where empty; Female and Male as 0 and 1.

    Raises:
        InputError: if a cell is text or infinite, or a sex neither 0 nor 1; names the covariate or phenotype.
    """
    text = trimmed(column)
    if name == "sex":
        for label, code in SEX.items():
            text = pc.if_else(pc.equal(text, label), code, text)
    try:
        numbers = text.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        raise InputError(f"text instead of a number, in the column of {name}") from None
    if np.isinf(numbers).any() or (name == "sex" and not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all()):
        raise InputError(f"an impossible value, in the column of {name}")
    return numbers


def to_dates(cells: pa.ChunkedArray) -> np.ndarray:
    """Return text such as 2016-05-04 or 2016-05-04T10:11:12 as datetime64[s], NaT where empty.

    Raises:
        InputError: if a cell is anything else; without naming the file.
    """
    encoded = pd.Categorical(trimmed(cells).to_pandas())
    days = np.array([_day(cell) for cell in encoded.categories] + [np.datetime64("NaT", "s")], "datetime64[s]")
    return days[encoded.codes]


def _day(cell: str) -> np.datetime64:
    try:
        if DATE.fullmatch(cell.strip()):
            return np.datetime64(cell.strip()[:10])
    except ValueError:
        pass
    raise InputError("text instead of a date such as 2016-05-04")
