"""Diseases and the dates of their first records, from the diagnosis fields of UK Biobank's tables.

ICD-10 codes: fields 41270, 41202, 41204, 40001, 40002.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.cells import to_dates
from cmr2ecg.tables.columns import Column

FORM = r"[A-Za-z][0-9][0-9A-Za-z](?:\.?[0-9A-Za-z]{1,4})?"
CODE = re.compile(r"[A-Z][0-9][0-9A-Z]{1,5}")  # without dot, upper case, as codes_in returns it
FIRST_WORD = re.compile(rf"({FORM})[-+*:,;.]*(?:\s+(.*))?", re.DOTALL)
TOKEN = re.compile(rf"(?<![0-9A-Za-z.]){FORM}(?![0-9A-Za-z.])")
UPPER = re.compile(r"(?<![0-9A-Za-z.])(?!B12\b)[A-Z][0-9]{2}(?:\.?[0-9]{1,2})?(?![0-9A-Za-z.])")
STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
ITEMS = re.compile(rf"{STRING}|None|null|nan|<NA>")
NEXT = re.compile(rf"[,;](?=\s*(?:[\"']?{FORM}(?![0-9A-Za-z])|[,;]|$))")
TITLE_BRACKET = re.compile(r"(?<=\w )\([^()]*\)")
AROUND = re.compile(r"\b(?:c|list|array|dtype|object)\b")


def codes_in(cell: str) -> list[str]:
    """Return the codes of one cell in order, without dots, "" for an empty entry.

    A cell is one code (`I251`), a decoded label (`I25.1 Atherosclerotic ...`), several of either with `|`, `;`, a
    comma, a line break, or blanks between them, or a list of them as written by JSON, Python, numpy or R. Anything
    else is returned unchanged, in upper case, so that it can be counted (`CODE` matches only codes).
    """
    cell = cell.strip()
    if cell.startswith("[") != cell.endswith("]") or "..." in cell:  # truncated, or abbreviated by numpy
        return [cell.upper()]
    inner = cell[1:-1].strip() if cell.startswith("[") else cell
    if cell.startswith("[") and not ITEMS.sub("", inner).strip(", \t\r\n"):
        return [code for item in ITEMS.findall(inner) for code in _item(item)]
    inner = TITLE_BRACKET.sub("", inner)  # a title may name other codes in brackets
    parts = [part for line in re.split(r"\||\r\n|\r|\n", inner) for part in NEXT.split(line)] if inner else []
    return [code for part in parts for code in _codes(part.strip().strip("\"'").strip())]


def _item(item: str) -> list[str]:
    return _codes(re.sub(r"\\(.)", r"\1", item[1:-1]).strip()) if item[0] in "'\"" else [""]


def _codes(text: str) -> list[str]:
    """Return the code of a label, or all if there are only codes and separators; and what is not a code."""
    if not text:
        return [""]
    if not re.search(r"\w", AROUND.sub("", TOKEN.sub("", text))):
        return [_plain(code) for code in TOKEN.findall(text)] or [text]
    match = FIRST_WORD.fullmatch(text)
    if not match:
        return [text.upper()]
    meaning = TITLE_BRACKET.sub("", match[2] or "")
    return [_plain(match[1]), *([meaning.upper()] if UPPER.search(meaning) else [])]


def _plain(code: str) -> str:
    return code.replace(".", "").upper()


log = logging.getLogger(__name__)

ONE_DATE = (40000,)  # date of death: one for all its causes; every other field has a date for each code
NO_RECORDS = pd.DataFrame({"row": np.empty(0, int), "disease": np.empty(0, str), "date": np.empty(0, "datetime64[s]")})
Diseases = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Source:
    """One field of codes in one table: its columns, and those with the dates by (instance, array index)."""

    name: str
    codes: list[Column]
    dates: dict[tuple[int, int], str]
    one_date: bool

    def date_column(self, code: Column, position: int) -> str | None:
        """Return the column with the date of a code, given its position in the cell."""
        index = 0 if self.one_date else (code.array or 0) + position
        return self.dates.get((code.instance or 0, index))

    def columns(self) -> list[str]:
        """Return all columns that must be read."""
        return [column.name for column in self.codes] + list(self.dates.values())


def source_of(name: str, codes: Sequence[Column], dates: Sequence[Column], date_field: int | None) -> Source:
    """Return a table's source of diagnoses from its columns of codes and dates."""
    by_place = {(column.instance or 0, column.array or 0): column.name for column in dates}
    return Source(name, list(codes), by_place, date_field in ONE_DATE)


def disease_records(piece: pa.Table, source: Source, diseases: Diseases) -> tuple[pd.DataFrame, int, int]:
    """Return the records of the given diseases, and the numbers of cells with something unknown and with anything.

    The table has one row per record: row of the piece, disease, date (NaT where there is none).

    Args:
        piece: columns of text.
        source: what to read from it.
        diseases: name -> ICD-10 prefixes without dots, such as I20.

    Raises:
        InputError: if a date is invalid; without naming the file.
    """
    found, strange, filled = [], 0, 0
    for column in source.codes:
        cells = piece[column.name]
        if cells.null_count < len(cells):
            places, odd = _in_column(pd.Categorical(cells.to_pandas()), column, source, diseases)
            found.append(places)
            strange, filled = strange + odd, filled + len(cells) - cells.null_count
    if not found:
        return NO_RECORDS, 0, 0
    places = pd.concat(found, ignore_index=True)
    dates = np.full(len(places), np.datetime64("NaT", "s"), "datetime64[s]")
    for name, rows in places.groupby("date_column").indices.items():
        dates[rows] = to_dates(piece[name])[places["row"].to_numpy()[rows]]
    return places[["row", "disease"]].assign(date=dates), strange, filled


def check_codes(strange: int, filled: int, field: int) -> None:
    """Raise if most cells of a field hold something other than ICD-10 codes; log their share if a few do.

    Raises:
        InputError: names the field.
    """
    if not strange:
        return
    if strange > filled / 2:
        raise InputError(f"field {field}: {strange} of {filled} cells hold no ICD-10 code such as I251 or I25.1 Angina")
    counts = (strange, filled, 100 * strange / filled)
    log.warning("field %d: %d of %d cells (%.2g %%) hold text other than ICD-10 codes, ignored", field, *counts)


def _in_column(cells: pd.Categorical, column: Column, source: Source, diseases: Diseases) -> tuple[pd.DataFrame, int]:
    """Return row, disease and date_column of each wanted code in one column, and the number of cells without codes."""
    hits, strange = [], np.zeros(len(cells.categories) + 1, bool)  # the last is for empty cells
    for kind, cell in enumerate(cells.categories):
        for position, code in enumerate(codes_in(cell)):
            if code and not CODE.fullmatch(code):
                strange[kind] = True
                continue
            for disease, prefixes in diseases.items():
                if code.startswith(tuple(prefixes)):
                    hits.append((kind, disease, source.date_column(column, position)))
    kinds = pd.DataFrame(hits, columns=["kind", "disease", "date_column"]).astype({"kind": int})
    rows = pd.DataFrame({"row": np.arange(len(cells)), "kind": cells.codes.astype(int)})
    return rows.merge(kinds, on="kind")[["row", "disease", "date_column"]], int(strange[cells.codes].sum())
