"""ECGs as bare numbers, npy and csv: 12 x samples or transposed, by the names in a csv or in the order of LEADS."""

import io
from dataclasses import replace
from operator import itemgetter

import numpy as np

from cmr2ecg.ecg.recording import LEADS, MAX_SAMPLES, stack_leads
from cmr2ecg.predict.csv_text import (
    COMMENT,
    MAX_EMPTY_LINES,
    SHOWN,
    Lines,
    Numbers,
    cells_of,
    is_number,
    open_text,
    rows,
    separator,
)
from cmr2ecg.predict.lead_names import MV, TIME, Lead, check_comment, check_time, counts, in_mv, lead_of, runs_evenly
from cmr2ecg.raw.rejection import Rejection

MAX_COLUMNS = 100  # with a name
MAX_COMMENT = 1000  # characters of a comment that are read
Found = tuple[np.ndarray, tuple[str, ...]]  # (12, n) in mV and the names of missing limb leads


def from_npy(content: bytes, unit: str | None) -> Found:
    """Return the leads of an npy file in mV; nothing in it is executed.

    Raises:
        Rejection: it is not 12 rows or columns of plain numbers.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, kind = read(file)
    except Exception as error:  # its header is a Python literal, which can be malformed in many ways
        raise Rejection("not an array of numbers") from error
    if kind.kind not in "iuf":
        raise Rejection("not an array of numbers", f"of kind {kind}"[:SHOWN])
    if len(shape) != 2 or len(LEADS) not in shape:
        raise Rejection("not 12 leads", " x ".join(map(str, shape))[:SHOWN])
    if max(shape) > MAX_SAMPLES:
        raise Rejection("record too long", f"{max(shape)} samples")
    if len(content) - file.tell() != shape[0] * shape[1] * kind.itemsize:
        raise Rejection("not an array of numbers", "truncated, or more than one array")
    values = np.frombuffer(content, kind, offset=file.tell()).reshape(shape, order="F" if by_column else "C")
    return _upright(values.astype(np.float64)) * MV[(unit or "mV").lower()], ()


def from_csv(content: bytes, rate_hz: float, unit: str | None) -> Found:
    """Return the leads of a csv in mV: by the names in its first line or its first column, else by order.

    Comments, an index and times are understood, and must agree with the user's options.

    Args:
        content: of the file; separated by comma, semicolon, tab, | or blanks, with decimal points or commas.
        rate_hz: the user's.
        unit: the user's, or None for the file's, or mV.

    Raises:
        Rejection: anything that is not understood, with its line.
    """
    lines = Lines(open_text(content))
    said, first = _skip_comments(lines, rate_hz, unit)
    mark = separator(first)
    if said:
        return _by_columns(lines, cells_of(said, separator(said)), first, mark, rate_hz, unit)
    lines.check(first, mark)
    cells = cells_of(first, mark)
    if not all(map(is_number, cells[1:])):
        if sum(lead_of(cell) is not None for cell in cells[: 2 * MAX_COLUMNS]) < 2:
            raise _not_understood(lines, first)
        return _by_columns(lines, cells, lines.next_filled(), mark, rate_hz, unit)
    if _only_counts(cells):
        first = lines.next_filled()
        lines.check(first, mark)
        cells = cells_of(first, mark)
    if lead_of(cells[0]) or TIME.fullmatch(cells[0].strip()):
        return _by_rows(lines, first, mark, rate_hz, unit)
    if not all(map(is_number, cells)):
        raise _not_understood(lines, first)
    return _by_place(lines, first, mark, rate_hz, unit)


def _skip_comments(lines: Lines, rate_hz: float, unit: str | None) -> tuple[str, str]:
    """Return the names of columns in a comment, or "", and the first line that is not a comment."""
    said = ""
    while (line := lines.next_filled()).lstrip().startswith(COMMENT):
        text = line.lstrip().lstrip("".join(COMMENT)).strip()[:MAX_COMMENT]
        cells = cells_of(text, separator(text))
        if sum(lead_of(cell) is not None for cell in cells) > 1:
            said = text
        else:
            check_comment(text, lines.number, rate_hz, unit)
        if lines.number > MAX_EMPTY_LINES:
            raise _not_understood(lines, line)
    return said, line


def _not_understood(lines: Lines, line: str) -> Rejection:
    return Rejection("not an array of numbers", f"line {lines.number} is not understood: {line.strip()[:SHOWN]!r}")


def _only_counts(cells: list[str]) -> bool:
    """Return whether a line numbers its columns, as in pandas' header of a table without names."""
    if not is_number(cells[0]) or not cells[0].strip():
        cells = cells[1:]
    return len(cells) >= len(LEADS) and counts(np.array([Numbers().one(cell, 0) for cell in cells]))


def _by_columns(lines: Lines, names: list[str], line: str, mark: str, rate_hz: float, unit: str | None) -> Found:
    """Read samples x leads below names; other columns are ignored, except times, which are checked against the rate."""
    while names and not names[-1].strip():
        names = names[:-1]
    found = {place: lead for place, lead in enumerate(map(lead_of, names)) if lead}
    cells = cells_of(line, mark)
    units = [cell.strip(" ()[]\n").lower() for cell in cells]
    if len(units) >= len(names) and all(units[place] in MV for place in found):  # a line of units below the names
        found = {place: replace(lead, unit=MV[units[place]]) for place, lead in found.items()}
        line = lines.next_filled()
        cells = cells_of(line, mark)
    width, shift = len(cells), 0
    if width == len(names) + 1 and cells[-1].strip():
        shift = 1  # R writes row names, but no header for them
    elif width not in (len(names), len(names) + 1):
        raise Rejection("not one column for each lead", f"{len(names)} names, {width} cells in line {lines.number}")
    if len({lead.key for lead in found.values()}) < len(found):
        raise Rejection("not one column for each lead", "a lead is named twice")
    numbers, pick = Numbers(), itemgetter(*(place + shift for place in found))
    times: list[str] = []
    time = next((place + shift for place, name in enumerate(names) if TIME.fullmatch(name.strip())), None)
    for cells in rows(lines.data(numbers, mark, line), mark):
        if len(cells) != width:
            raise Rejection("not an array of numbers", f"line {lines.number} has {len(cells)} cells, others {width}")
        numbers.add(pick(cells), lines.number)
        if time is not None:
            times[1 if times else 0 :] = [cells[time]]
    signals = numbers.whole().T
    if time is not None:
        _hold_time(times, signals.shape[1], names[time - shift], rate_hz)
    return _stack(list(found.values()), signals, unit)


def _by_rows(lines: Lines, first: str, mark: str, rate_hz: float, unit: str | None) -> Found:
    """Read leads x samples, each line beginning with a name; other lines are ignored, except times."""
    numbers, leads = Numbers(), []
    for name, *cells in rows(lines.data(numbers, mark, first), mark):
        lead = lead_of(name)
        if lead:
            leads.append(lead)
            numbers.add(cells, lines.number)
        elif TIME.fullmatch(name.strip()):
            _hold_time([cells[0], cells[-1]] if cells else [], len(cells), name, rate_hz)
        elif is_number(name):
            raise Rejection("not an array of numbers", f"line {lines.number} has no lead's name")
    if len({lead.key for lead in leads}) < len(leads):
        raise Rejection("not one column for each lead", "a lead is named twice")
    return _stack(leads, _without_blank_end(numbers.whole()), unit)


def _by_place(lines: Lines, first: str, mark: str, rate_hz: float, unit: str | None) -> Found:
    """Read 12 lines or columns without names; an additional index or times column is not a lead."""
    numbers = Numbers()
    for cells in rows(lines.data(numbers, mark, first), mark):
        numbers.add(cells, lines.number)
    values = numbers.whole()
    if values.shape[1] != len(LEADS):
        values = _without_blank_end(values)
    if values.shape[0] == len(LEADS) and counts(values[:, 0]):
        values = values[:, 1:]
    for turned in (False, True):
        table = values.T if turned else values
        if table.shape[1] == len(LEADS) + 1 and runs_evenly(table[:, 0]):
            if not counts(table[:, 0]):
                check_time((table[-1, 0] - table[0, 0]) / (len(table) - 1), "", rate_hz)
            values = table[:, 1:].T if turned else table[:, 1:]
            break
        if table.shape[1] == len(LEADS) < len(table) and runs_evenly(table[:, 0]):
            raise Rejection("not 12 leads", "times or an index, and 11 leads")
    return _upright(values) * in_mv([Lead("", None)], unit)[0], ()


def _hold_time(cells: list[str], size: int, name: str, rate_hz: float) -> None:
    """Check the first and last of the times of `size` samples against the rate; times of day are ignored."""
    if size > 1 and len(cells) == 2 and all(map(is_number, cells)):
        start, end = (Numbers().one(cell, 0) for cell in cells)
        check_time((end - start) / (size - 1), name, rate_hz)


def _stack(leads: list[Lead], signals: np.ndarray, unit: str | None) -> Found:
    scaled = signals * np.array(in_mv(leads, unit))[:, None]
    return stack_leads(dict(zip((lead.key for lead in leads), scaled, strict=True)))


def _without_blank_end(values: np.ndarray) -> np.ndarray:
    """Return the table without a blank last column, which results from a separator at each line's end."""
    return values[:, :-1] if np.isnan(values[:, -1]).all() else values


def _upright(values: np.ndarray) -> np.ndarray:
    if len(LEADS) not in values.shape:
        raise Rejection("not 12 leads", " x ".join(map(str, values.shape)))
    return values if values.shape[0] == len(LEADS) else values.T
