"""Parse the numbers of a csv from any source; what is not understood is refused with its line, never guessed.

Lines are read one at a time into an array, so that memory stays a small multiple of the file's size.
"""

import csv
import io
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np

from cmr2ecg.ecg.recording import MAX_SAMPLES
from cmr2ecg.raw.rejection import Rejection

SEPARATORS = ";\t,|"  # the first one in a line; else blanks
COMMENT = ("#", "%")
BLANK = ("", "na", "n/a", "nan", "null", "none")
COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
MAX_CELLS = MAX_SAMPLES + 2  # per line
MAX_WIDTH = 14  # numbers per line in long files: 12 leads, an index, a blank
MAX_EMPTY_LINES = 1000  # lines, or comments, in a row
MAX_CELL = 1000  # characters; a number has some 20, of a few hundred digits at worst
SHOWN = 40  # characters of a cell in a message


def open_text(content: bytes) -> io.TextIOWrapper:
    """Return the text; invalid bytes stay visible, so that they are not parsed as numbers."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(io.BytesIO(content), encoding, errors="backslashreplace")


def separator(line: str) -> str:
    """Return the separator of a line, a blank for any white space."""
    return next((mark for mark in SEPARATORS if mark in line), " ")


def cells_of(line: str, mark: str) -> list[str]:
    """Return the cells of one line."""
    return next(rows([line], mark), [])


def rows(lines: Iterable[str], mark: str) -> Iterator[list[str]]:
    """Yield the cells of each line.

    Raises:
        Rejection: a cell of absurd length.
    """
    if mark == " ":
        yield from (line.split() for line in lines)
        return
    try:
        yield from csv.reader(lines, delimiter=mark, skipinitialspace=True)
    except csv.Error as error:
        raise Rejection("not an array of numbers", str(error)[:SHOWN]) from error


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number or nothing."""
    try:
        Numbers().one(cell, 0)
    except Rejection:
        return False
    return True


@dataclass
class Numbers:
    """Numbers of many lines, (lines, width), and how their decimal mark is written."""

    width: int | None = None
    values: array = field(default_factory=lambda: array("d"))
    commas: bool = False  # some number has a comma
    surely: bool = False  # and some comma cannot mark thousands
    dots: bool = False

    def add(self, cells: list[str], line: int) -> None:
        """Add the numbers of one line.

        Raises:
            Rejection: a cell is not a number, the line has another length, or there are too many.
        """
        if self.width is None:
            self.width = len(cells)
        if len(cells) != self.width:
            raise Rejection("not an array of numbers", f"line {line} has {len(cells)} cells, others {self.width}")
        try:
            found = [float(cell.replace(",", ".")) for cell in cells] if self.surely else list(map(float, cells))
        except ValueError:
            found = [self.one(cell, line) for cell in cells]
        self.values.extend(found)
        if len(self.values) > MAX_CELLS * min(self.width, MAX_WIDTH):
            raise Rejection("record too long", f"{len(self.values) // self.width} lines of {self.width} numbers")

    def one(self, cell: str, line: int) -> float:
        """Return the number of one cell, NaN for a blank.

        Raises:
            Rejection: it is not a number.
        """
        text = cell.strip() if len(cell) < MAX_CELL else cell[:MAX_CELL] + "…"
        if text.lower() in BLANK:
            return np.nan
        if COMMA.fullmatch(text):
            self.commas = True
            self.surely |= not THOUSANDS.fullmatch(text)
            text = text.replace(",", ".")
        try:
            return float(text)
        except ValueError:
            raise Rejection("not an array of numbers", f"line {line}: {text[:SHOWN]!r} is not a number") from None

    def whole(self) -> np.ndarray:
        """Return (lines, width).

        Raises:
            Rejection: there are none, or a comma could also mark thousands.
        """
        if not self.values or self.width is None:
            raise Rejection("not an array of numbers", "no line of numbers")
        if self.commas and (self.dots or not self.surely):
            raise Rejection("not an array of numbers", "a comma may mark decimals or thousands; write decimal points")
        return np.frombuffer(self.values).reshape(-1, self.width)


class Lines:
    """The lines of a text, counted; `number` is the last one's."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text, self.number = iter(text), 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number += 1
        return next(self._text)

    def next_filled(self) -> str:
        """Return the next line that is not empty.

        Raises:
            Rejection: there is none.
        """
        for line in islice(self, MAX_EMPTY_LINES):
            if line.strip():
                return line
        raise Rejection("empty file" if self.number < 2 else "not an array of numbers", "no line of numbers")

    def check(self, line: str, mark: str) -> None:
        """Raise Rejection if the last line has more cells than any record."""
        if line.count(mark) > MAX_CELLS:
            raise Rejection("record too long", f"line {self.number} has more than {MAX_CELLS} cells")

    def data(self, numbers: Numbers, mark: str, first: str) -> Iterator[str]:
        """Yield `first` and the lines after it, all of numbers; nothing may follow an empty one.

        Raises:
            Rejection: a line of other than plain characters, with too many cells, or after an empty one.
        """
        empty = 0
        for line in chain([first], self):
            if not line.strip() and (not empty or self.number < empty + MAX_EMPTY_LINES):
                empty = empty or self.number
                continue
            if empty:
                raise Rejection("not an array of numbers", f"line {empty} is empty")
            if not line.isascii() or "_" in line:
                raise Rejection("not an array of numbers", f"line {self.number}: {line[:SHOWN].strip()!r}")
            self.check(line, mark)
            numbers.dots |= "." in line
            yield line
