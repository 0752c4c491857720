"""Read the manifest of a UK Biobank DICOM zip (`manifest.csv`, often misspelt `manifest.cvs`)."""

import csv
import io

MAX_BYTES = 3_000_000  # UK Biobank's: 600 lines of 250 bytes
NAME_COLUMNS = ("filename",)
SERIES_COLUMNS = ("series discription", "series description")  # the first is UK Biobank's own spelling
DATE_COLUMNS = ("date", "study date")


def parse_manifest(content: bytes) -> dict[str, str]:
    """Return the series description of each file name; {} if the columns are not there or the content is no csv.

    Dates may hold a comma without quotes (`Aug 30, 2015 11:20:05`), which shifts the cells behind them: surplus cells
    are taken for parts of the date. A line that still has not one cell a column is left out.
    """
    rows = csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""), strict=False)
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        name, series, date = (_first(header, names) for names in (NAME_COLUMNS, SERIES_COLUMNS, DATE_COLUMNS))
        if name is None or series is None:
            return {}
        found = {}
        for row in rows:
            surplus = len(row) - len(header)
            if surplus > 0 and date is not None:
                row = [*row[:date], ",".join(row[date : date + surplus + 1]), *row[date + surplus + 1 :]]
            if len(row) == len(header):
                found[row[name].strip()] = row[series].strip()
    except csv.Error:  # a cell beyond csv's limit
        return {}
    return found


def _first(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
