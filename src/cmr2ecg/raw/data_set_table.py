"""The rows of a data set's table, or of its WFDB headers, as {column: cell}; what is in them is not judged here.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import csv
import difflib
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence

from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.raw.walk import files_below, shown
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.data_set import HEADERS, NUMBERS, Recordings

HEADER_BYTES = 64_000
MAX_CELL = 1_000_000  # characters
PLACE = re.compile(r"\{([^{}]+)\}")
BLANK = ("nan", "na", "n/a", "null", "none", "unknown")
SETTING = "recordings"

Row = Mapping[str, str]


def read_rows(folder: str, settings: Recordings) -> Iterator[Row]:
    """Yield every row of the table, or every header, as {column: cell}, with the cells of the joined table.

    Raises:
        InputError: if a table or a column of the settings is missing.
    """
    if not os.path.isdir(folder):
        raise InputError(f"raw.ecg: {shown(folder)} is no folder; name the one with the data set as downloaded")
    wanted = [*columns_of(settings)]
    if settings.table == HEADERS:
        headers = list(_headers(folder))
        if headers:
            _check_columns(wanted, {name for row in headers for name in row}, f"the WFDB headers in {shown(folder)}")
        yield from ({**dict.fromkeys(wanted, ""), **row} for row in headers)
        return
    columns, rows = _csv_rows(folder, settings.table, wanted)
    beside, more = _joined(folder, settings, wanted)
    _check_columns(wanted, {*columns, *more}, shown(os.path.join(folder, settings.table)))
    nothing = ("",) * len(more)
    for row in rows:
        cells = beside.get(cell(row[settings.join.column]), nothing) if more else nothing
        yield {**dict(zip(more, cells, strict=True)), **row}


def _joined(folder: str, settings: Recordings, wanted: Collection[str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return {cell of the column that both tables have: wanted cells of the second table}, and their columns.

    Raises:
        InputError: if two rows of the second table have the same cell in that column.
    """
    name, column = settings.join.table, settings.join.column
    if not name:
        return {}, []
    columns, rows = _csv_rows(folder, name, wanted)
    _check_columns([column], columns, shown(os.path.join(folder, name)))
    more = [one for one in columns if one in wanted]
    beside: dict[str, tuple[str, ...]] = {}
    for row in rows:
        key = cell(row[column])
        if key in beside:
            raise InputError(f"{SETTING}.join: two rows of {name} have the same {column}; keep one of them")
        if key:
            beside[key] = tuple(sys.intern(row[one]) for one in more)  # reports repeat each other
    return beside, more


def columns_of(settings: Recordings) -> Iterator[str]:
    """Yield every column that the settings name."""
    labels = settings.labels
    yield from PLACE.findall(settings.file)
    single = (settings.recording, settings.subject, settings.sex.column, settings.split.column, settings.join.column)
    yield from filter(None, (*single, *(getattr(settings, name) for name in NUMBERS)))
    if labels.form == "flags":
        yield from (code for codes in labels.classes.values() for code in codes)
    else:
        yield from labels.columns


def _csv_rows(folder: str, name: str, wanted: Collection[str]) -> tuple[list[str], Iterator[Row]]:
    """Return the columns of a csv, and its rows.

    Raises:
        InputError: if a wanted column is there twice, or, as the rows are read, one has more or fewer cells.
    """
    path = os.path.join(folder, name)
    rows = read_lines(path)
    _, columns = next(rows, (0, []))
    twice = [column for column in wanted if columns.count(column) > 1]
    if twice:
        raise InputError(f"{SETTING}: {shown(path)} has two columns {twice[0]}; keep one of them")
    return columns, (_named(columns, cells, f"{shown(path)}, line {line}") for line, cells in rows)


def _named(columns: Sequence[str], cells: Sequence[str], where: str) -> Row:
    if len(cells) != len(columns):
        raise InputError(f"{SETTING}: {where} has {len(cells)} cells, the first line {len(columns)}; correct the table")
    return dict(zip(columns, cells, strict=True))


def read_lines(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of every line of a csv that is not empty, and its cells."""
    csv.field_size_limit(MAX_CELL)
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            yield from ((reader.line_num, cells) for cells in reader if cells)
    except FileNotFoundError:
        raise InputError(f"{SETTING}.table: there is no {shown(path)}; correct raw.ecg or the name") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{SETTING}: {shown(path)} cannot be read as a csv ({type(error).__name__})") from None


def _headers(folder: str) -> Iterator[Row]:
    """Yield the comments of every WFDB header below a folder; `file` is the header, relative to the folder.

    Of two comments of one name both are there, with a comma between them.
    """
    for path in sorted(files_below(folder, "raw.ecg")):
        if path.lower().endswith(".hea"):
            try:
                lines = read_plain(path, HEADER_BYTES).decode("utf-8", "replace").splitlines()
            except Rejection:
                lines = []  # it is rejected, with the reason, when its signal is read
            row: dict[str, str] = {}
            for line in lines:
                name, colon, text = line.strip().partition(":")
                if name.startswith("#") and colon:  # "# Age: 60", "#Dx: 426783006", "# <subject_id>: 1"
                    name = name.strip("# \t<>")
                    row[name] = f"{row[name]}, {text.strip()}" if name in row else text.strip()
            yield {**row, "file": os.path.relpath(path, folder)}


def _check_columns(wanted: Sequence[str], there: Collection[str], where: str) -> None:
    """Raise InputError for a column that is missing.

    Only one like it is named: a table whose first line is missing has a person's cells in their place.
    """
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"it has {len(there)} columns; is the first line their names?"
            )
            raise InputError(f"{SETTING}: {where} has no column {name} ({hint})")


def cell(text: str) -> str:
    """Return a cell's text, "" for what stands for nothing, and 17 for 17.0, as spreadsheets and pandas write ids."""
    text = text.strip()
    if not text or text.lower() in BLANK:
        return ""
    whole, point, zeros = text.partition(".")
    return whole if point and not zeros.strip("0") and whole.lstrip("-").isdecimal() else text
