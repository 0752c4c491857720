"""Read lists of subjects: withdrawals (`w<application>_<date>.csv`), and exclusions for other reasons.

An eid is a whole number of seven digits or more. A list is read in every format of spreadsheets, R, pandas or e-mails
in which the eid of each line is certain; otherwise it is refused, since no withdrawal may be silently lost.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.runtime.command import InputError

DELIMITERS = ("\t", ";", "|", ",", " ")
MAX_BYTES = 64_000_000  # bytes; half a million eids need 5
GROUP = "[ ,.'\u2019\u00a0\u202f]"
PLAIN = re.compile(r"([0-9]{7,16})(?:[.,]0*)?")
GROUPED = re.compile(rf"[0-9]{{1,3}}(?:({GROUP})[0-9]{{3}})(?:\1[0-9]{{3}})+")
SCIENTIFIC = re.compile(r"([0-9])[.,]([0-9]+)[eE]\+?0*([0-9]{1,2})")
EID_NAME = re.compile(r"(?:.*[._ ])?eid(?:[._ ][0-9]+)*|participant[_ ]?id|encoded anonymised participant id")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")
QUOTES = "\"'\u2018\u2019\u201c\u201d"
NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"{\\rtf", b"PAR1", b"\x1f\x8b", b"<", b"{")
DATE = re.compile(r"\b(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2})\b|\b\d{1,2}:\d{2}(?::\d{2})?\b")
MANY_DIGITS = re.compile(rf"\d(?:{GROUP}?\d){{5,}}")  # may contain an eid, even one with a digit too few
WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class SubjectList:
    """One list: its eids, and the number of skipped lines of text around them."""

    eids: frozenset[int]
    text_lines: int


def read_withdrawn(files: Sequence[Path | str], setting: str = "raw.withdrawn") -> set[int]:
    """Return the eids of all lists.

    Raises:
        InputError: as `read_list`.
    """
    return set().union(*(read_list(file, setting).eids for file in files))


def read_list(file: Path | str, setting: str = "raw.withdrawn") -> SubjectList:
    """Return the eids of one list: one per line, in the only column they can be in; an empty list is allowed.

    Raises:
        InputError: if the file is missing or not text, or a line is ambiguous; names setting, file and
            line, never the line's content.
    """
    where = f"{setting}: {file}"
    lines = [(number, _clean(line)) for number, line in enumerate(_text(file, setting).splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line.strip("\t ,;|" + QUOTES)]
    delimiter = max(DELIMITERS, key=lambda sign: sum(any(map(_eid, _cells(line, sign))) for _, line in lines))
    rows = [(number, line, _cells(line, delimiter)) for number, line in lines]
    held = [index for index, (_, _, cells) in enumerate(rows) if any(map(_eid, cells))]
    if not held:
        if len(rows) > 1 or any(not _is_header(cells) for _, _, cells in rows):
            raise InputError(f"{where} holds no eid (a whole number of seven digits or more) in {len(rows)} lines")
        return SubjectList(frozenset(), 0)
    header = rows[held[0] - 1][2] if held[0] and _is_header(rows[held[0] - 1][2]) else None
    around = rows[: held[0] - (header is not None)] + rows[held[-1] + 1 :]
    doubtful = [row for row in around if not _is_prose(row[1])]
    if doubtful:
        raise InputError(_unclear(where, *min(doubtful, key=lambda row: _is_header(row[2]))[:2]))
    body = rows[held[0] : held[-1] + 1]
    if delimiter == " " and header and len(header) > max(len(cells) for _, _, cells in body):
        header = None  # a sentence above the eids
    place, numbers = _column([cells for _, _, cells in body], header, where)
    eids = []
    for number, line, cells in body:
        eid = _eid(cells[place]) if place < len(cells) else None
        beside = [cell for at, cell in enumerate(cells) if at not in numbers and _eid(cell) != eid]
        if eid is None or any(map(_hides_an_eid, beside)):
            raise InputError(_unclear(where, number, line))
        eids.append(eid)
    return SubjectList(frozenset(eids), len(around))


def list_notes(lists: Iterable[SubjectList], cohort: Iterable[int], setting: str = "raw.withdrawn") -> list[str]:
    """Return warnings of lists with nobody of the cohort, or with text around their eids; without any eid."""
    cohort, found = frozenset(cohort), []
    for place, listed in enumerate(lists, start=1):
        name = f"{setting}: list {place} ({len(listed.eids)} subjects)"
        if listed.eids.isdisjoint(cohort):
            found.append(f"{name} has none of the {len(cohort)} subjects with raw files; is it this application's?")
        if listed.text_lines:
            found.append(f"{name}: {listed.text_lines} lines of text around the eids were skipped")
    return found


def _text(file: Path | str, setting: str) -> str:
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{setting}: there is no file {file}; correct the path in the config file")
    try:
        with open(path, "rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{setting}: {file} cannot be read ({error.strerror})") from None
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0" if wide else content.decode("latin-1")  # a spreadsheet's code page; digits are the same in all
    if len(content) > MAX_BYTES or content.startswith(NO_TEXT) or CONTROL.search(text):
        raise InputError(f"{setting}: {file} is not a text file with one eid per line; save it as csv")
    return text


def _clean(line: str) -> str:
    return INVISIBLE.sub("", line).strip("\x1a \u00a0").lstrip("> \u2022\u00b7*")


def _cells(line: str, delimiter: str) -> list[str]:
    """Return a line's cells; a line that is an eid as a whole, such as 9,000,001, is one cell."""
    if _eid(line) is not None:
        return [line]
    if delimiter == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:  # beyond csv's longest cell
        return [line]


def _eid(cell: str) -> int | None:
    """Return the eid in a cell if certain, else None; a number rounded to 9.0E+06 is none."""
    cell = cell.strip().removeprefix("=").strip(QUOTES).strip()
    if match := PLAIN.fullmatch(cell):
        return int(match[1]) if match[1][0] != "0" else None
    if GROUPED.fullmatch(cell):
        digits = re.sub(r"\D", "", cell)
        return int(digits) if len(digits) >= 7 and digits[0] != "0" else None
    if match := SCIENTIFIC.fullmatch(cell):
        size, decimals = int(match[3]), match[2]
        whole = decimals[:size] if 6 <= size <= len(decimals) and not decimals[size:].strip("0") else ""
        return int(match[1] + whole) if whole and match[1] != "0" else None
    return None


def _is_header(cells: Sequence[str]) -> bool:
    """Return whether cells can be names of columns: words, no words, or pandas's 0, 1, ..."""
    names = [_bare(cell) for cell in cells]
    digits = [name for name in names if name.isdecimal()]
    words = all(not _hides_an_eid(name) and re.fullmatch(r"|[^\W\d].*", name) for name in names if name not in digits)
    return words and digits == [str(number) for number in range(len(digits))]


def _hides_an_eid(text: str) -> bool:
    return bool(MANY_DIGITS.search(DATE.sub("", text)))


def _is_prose(line: str) -> bool:
    """Return whether a line is text that cannot contain an eid."""
    rest = DATE.sub("", line)
    return len(WORD.findall(rest)) > bool(re.search(r"\d", rest)) and not _hides_an_eid(line)


def _column(body: Sequence[Sequence[str]], header: Sequence[str] | None, where: str) -> tuple[int, set[int]]:
    """Return the column of the eids, and the columns whose numbers cannot be eids.

    The header decides, else it is the only column with an eid in every line; row numbers may precede it.

    Raises:
        InputError: if several columns qualify, or it is preceded by numbers other than row numbers.
    """
    width = Counter(map(len, body)).most_common(1)[0][0]
    shift = width - len(header) if header and width == len(header) + 1 else 0  # R gives row names no header
    names = [""] * shift + [_bare(name).lower() for name in header or ()]
    named = [place for place, name in enumerate(names) if EID_NAME.fullmatch(name)]
    columns = {place: [_eid(row[place]) if place < len(row) else None for row in body] for place in range(width)}
    held = named or [place for place, eids in columns.items() if None not in eids]
    if any(columns.get(place) != columns.get(held[0]) for place in held[1:]):
        raise InputError(f"{where}: columns {' and '.join(str(at + 1) for at in held)} may be the eids; keep one")
    if named:
        return held[0], set(range(max(map(len, body))))
    place = held[0] if held else max(columns, key=lambda at: sum(eid is not None for eid in columns[at]))
    for before in range(place):
        numbers = [_bare(row[before]) if before < len(row) else "" for row in body]
        nameless = before < len(names) and not names[before]
        if any(re.search(r"\d", number) for number in numbers) and not (nameless or _consecutive(numbers)):
            raise InputError(f"{where}: column {before + 1} holds numbers that are not eids; keep only the eids")
    return place, set(range(place))


def _consecutive(numbers: Sequence[str]) -> bool:
    """Return whether these are row numbers: 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(list(numbers) == [str(n + start) for n in range(len(numbers))] for start in (0, 1))


def _bare(cell: str) -> str:
    return cell.strip().strip(QUOTES).strip()


def _unclear(where: str, number: int, line: str) -> str:
    if re.search(r"(?<![\w.])-\s?\d", line):
        why = "a negative number, which replaces an eid removed by UK Biobank"
    elif re.search(r"\d[eE]\+?\d", line):
        why = "a number that was rounded; format the column as whole numbers and save it again"
    else:
        why = "no certain eid (a whole number of seven digits or more); expected one per line"
    return f"{where}, line {number}: {why}"
