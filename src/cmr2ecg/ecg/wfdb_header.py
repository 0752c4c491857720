"""Parse the text header (.hea) of a WFDB record.

Source: header(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/header-5.htm. Headers are
untrusted; anything else than described there is refused. The record's name, date and time are ignored.
"""

import math
import re
from dataclasses import dataclass

from cmr2ecg.ecg.recording import LEAD_KEYS, MV_OF_UNIT, check_rate, lead_key
from cmr2ecg.ecg.wfdb_signals import FORMATS
from cmr2ecg.raw.rejection import Rejection

MAX_SAMPLES = 1_000_000  # per lead: half an hour at 500 Hz
MAX_SIGNALS = 32
NAME = re.compile(r"[^./\\~][^/\\]*")  # of a signal file; the header's own folder, nothing else
TIME = re.compile(r"\[?\d+([-/:.]\w+){2,}.*")  # a time or a date where the number of samples would be
FORMAT = re.compile(r"(\d{1,3})(?:x(\d{1,4}))?(?::(\d{1,4}))?(?:\+(\d{1,6}))?", re.ASCII)
GAIN = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)(?:\((-?\d{1,10})\))?(?:/(\S+))?", re.IGNORECASE | re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,10}", re.ASCII)


@dataclass(frozen=True)
class Scale:
    """Conversion of a lead's counts to mV, and their checksum."""

    gain: float  # counts per unit
    mv_per_unit: float
    baseline: int  # the count of 0 mV
    initial: int  # where the differences of format 8 start
    checksum: int  # sum of all counts, modulo 65536


@dataclass(frozen=True)
class Signal:
    """One signal line of a header."""

    file: str
    form: int
    per_frame: int  # samples per frame; 1 for a lead
    skew: int  # samples by which it lags behind the others
    offset: int  # byte of the file at which the samples begin
    lead: str  # see `lead_key`; "" without a description
    scale: Scale | None  # of the twelve leads only


def parse_header(content: bytes, stem: str = "") -> tuple[float, int | None, list[Signal]]:
    """Return sampling rate in Hz, samples per signal (None: not stated) and the signals of a header.

    Args:
        stem: the header's name without extension, to tell a folder in the record's name from a number of segments.

    Raises:
        Rejection: it is not the header of a one-segment record, lacks the rate, a lead's unit or gain, or names files
            elsewhere.
    """
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    record = lines[0].split() if lines else []
    if len(record) < 2 or not record[1].isdecimal():
        raise Rejection("not a WFDB header")
    _, slash, last = record[0].rpartition("/")
    if slash and last.isdecimal() and last != stem:
        raise Rejection("WFDB record of several segments")
    count = int(record[1][:6])
    if not 0 < count <= MAX_SIGNALS or len(lines) != count + 1:
        raise Rejection("not a WFDB header", f"{len(lines) - 1} signal lines of {count}")
    return _rate(record), _size(record), [_signal(line) for line in lines[1:]]


def _rate(record: list[str]) -> float:
    text = re.split(r"[/(]", record[2])[0] if len(record) > 2 else ""
    if not re.fullmatch(r"\d{1,9}(\.\d{0,9})?", text):
        raise Rejection("unknown sampling rate", "none in the header")
    check_rate(float(text))
    return float(text)


def _size(record: list[str]) -> int | None:
    text = record[3] if len(record) > 3 else "0"
    if TIME.fullmatch(text):
        return None
    if not text.isdecimal():
        raise Rejection("not a WFDB header", "no number of samples")
    if int(text[:12]) > MAX_SAMPLES:
        raise Rejection("file too large", f"{text[:12]} samples per lead")
    return int(text[:12]) or None


def _signal(line: str) -> Signal:
    """Parse `FILE FORMAT GAIN(BASELINE)/UNITS RESOLUTION ZERO INITIAL CHECKSUM BLOCK DESCRIPTION`."""
    fields = line.split(maxsplit=8)
    if len(fields) < 3:
        raise Rejection("not a WFDB header", "a signal line is too short")
    if not NAME.fullmatch(fields[0]):
        raise Rejection("signal file is not in its header's folder")
    lead = lead_key(fields[8]) if len(fields) > 8 else ""
    found = FORMAT.fullmatch(fields[1])
    form, per_frame, skew, offset = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    if not found or form not in FORMATS or (found[2] and not per_frame) or (lead in LEAD_KEYS and per_frame > 1):
        raise Rejection("unknown WFDB format", fields[1][:20] if len(fields[1]) < 6 else "")
    scale = _scale(fields[2:8]) if lead in LEAD_KEYS else None
    return Signal(fields[0], form, per_frame or 1, skew, offset, lead, scale)


def _scale(fields: list[str]) -> Scale:
    """Parse a lead's fields from the gain to the block size."""
    found = GAIN.fullmatch(fields[0])
    # a record without units has millivolts by definition; one without a gain is not calibrated
    mv_per_unit = MV_OF_UNIT.get((found[3] or "mv").strip("/").lower()) if found else None
    if not found or mv_per_unit is None or not 0 < float(found[1]) < math.inf:
        raise Rejection("unknown amplitude unit")
    if not all(map(WHOLE.fullmatch, fields[1:])):
        raise Rejection("not a WFDB header", "a signal line with something other than numbers")
    zero, initial, checksum = map(int, fields[2:5])
    return Scale(float(found[1]), mv_per_unit, int(found[2] or zero), initial, checksum)
