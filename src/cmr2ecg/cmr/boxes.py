"""Read hand-drawn heart boxes: csv files with eid, row0, column0, height, width in pixels of the raw frame."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.command import InputError

COLUMNS = ("eid", "row0", "column0", "height", "width")
MAX_PIXELS = 10_000  # pixels
MAX_BYTES = 20_000_000  # 500,000 boxes
MAX_LINE = 10_000
MAX_EID = 10**9

Box = tuple[float, float, float, float]


def read_boxes(paths: Sequence[Path]) -> dict[int, Box]:
    """Return each subject's box; of several for one subject the last is used.

    Raises:
        InputError: if a column is missing or duplicated, or a line is invalid; names raw.boxes, file and line.
    """
    boxes: dict[int, Box] = {}
    for path in paths:
        try:
            text = read_plain(Path(path).resolve(), MAX_BYTES).decode("utf-8-sig")
        except (Rejection, UnicodeDecodeError) as error:
            reason = error.detail if isinstance(error, Rejection) else "no UTF-8"
            raise InputError(f"raw.boxes: {path} cannot be read as a csv file: {reason}") from error
        try:
            boxes.update(_boxes(path, text))
        except csv.Error as error:
            raise InputError(f"raw.boxes: {path} cannot be read as a csv file: {error}") from error
    return boxes


def _boxes(path: Path, text: str) -> Iterator[tuple[int, Box]]:
    lines = csv.reader(_short_lines(text), strict=True)
    header = [cell.strip() for cell in next(lines, [])]
    if any(header.count(name) != 1 for name in COLUMNS):
        other = next((f", separated by commas, not by {mark!r}" for mark in ";\t" if mark in "".join(header)), "")
        raise InputError(f"raw.boxes: {path} has not each of the columns {', '.join(COLUMNS)} once{other}")
    places = [header.index(name) for name in COLUMNS]
    for row in lines:
        if not any(cell.strip() for cell in row):
            continue
        found = _box([row[place] for place in places]) if len(row) == len(header) else None
        if found is None:
            raise InputError(
                f"raw.boxes: line {lines.line_num} of {path} holds no box; as many cells as the first line, and "
                "height and width are pixels, at least 1"
            )
        yield found


def _short_lines(text: str) -> Iterator[str]:
    for line in io.StringIO(text, newline=""):
        if len(line) > MAX_LINE:  # a line of commas would need many times its size in memory
            raise csv.Error("a line is too long")
        yield line


def _box(cells: Sequence[str]) -> tuple[int, Box] | None:
    """Return eid and box, None if the cells are invalid."""
    try:
        eid, row, column, height, width = map(float, cells)
    except ValueError:
        return None
    box = row, column, height, width
    sound = math.isfinite(eid) and eid % 1 == 0 and 0 < eid < MAX_EID and not any("_" in cell for cell in cells)
    sound = sound and all(abs(number) < MAX_PIXELS for number in box) and height >= 1 and width >= 1
    return (int(eid), box) if sound else None
