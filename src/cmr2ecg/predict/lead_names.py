"""What the head of a csv says of its columns: leads, their unit, time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, lead_key
from cmr2ecg.raw.rejection import Rejection

MV = {"mv": 1.0, "millivolt": 1.0, "millivolts": 1.0, "nv": 1e-6, "v": 1e3, "volt": 1e3, "volts": 1e3}
MV |= dict.fromkeys(("uv", "µv", "μv", "\\xb5v", "microvolt", "microvolts"), 1e-3)  # \xb5: µ in Latin-1
UNITS = "|".join(sorted(map(re.escape, MV), key=len, reverse=True))
LABEL = re.compile(rf"(.*?)\s*(?:[(\[{{](.*)[)\]}}]|[\s_/,-]+({UNITS}))?", re.IGNORECASE | re.DOTALL)
MINUS = re.compile(r"(?:^|\s)[-−]\s*(?=avr)", re.IGNORECASE)  # the other way round, as in Cabrera's order
STATED_UNIT = re.compile(r"\b(mV|uV|nV|millivolts?|microvolts?)\b|([µμ]V|\\xb5V)", re.IGNORECASE)
STATED_RATE = re.compile(r"(?:rate|fs|sampling|frequency)\D{0,20}?(\d+(?:\.\d+)?)", re.IGNORECASE)
TIME = re.compile(r"(?:time|timestamp|t|seconds|sec|ms)\b.*", re.IGNORECASE)
PER_SECOND = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e3, "us": 1e6}
MAX_NAME = 60  # characters of a name
CLOSE = 0.01  # of a rate


@dataclass(frozen=True)
class Lead:
    """A column's lead by `lead_key`, its unit in mV (None where none is stated), and -1 for an inverted one."""

    key: str
    unit: float | None
    sign: float = 1.0


def lead_of(name: str) -> Lead | None:
    """Return what a column's name says, such as "Lead II (uV)" or "-aVR", or None if it is no lead.

    Raises:
        Rejection: a lead in a unit that is none.
    """
    if len(name) > MAX_NAME:
        return None
    plain, inverted = MINUS.subn(" ", name.strip())
    match = LABEL.fullmatch(plain)
    label, bracket, tail = match.groups() if match else ("", None, None)
    key, unit = lead_key(label), (bracket or tail or "").strip().lower()
    if key not in LEAD_KEYS or label.lstrip().startswith(("-", "−")):
        return None
    if bracket is not None and unit not in MV:
        raise Rejection("unit not understood", name.strip()[:40])
    return Lead(key, MV[unit] if unit else None, -1.0 if inverted else 1.0)


def in_mv(leads: Sequence[Lead], unit: str | None) -> list[float]:
    """Return what each lead's numbers are to be multiplied by.

    Args:
        leads: of the file.
        unit: the user's word, or None; without either it is mV.

    Raises:
        Rejection: they differ, or only some leads state a unit.
    """
    stated = [lead.unit for lead in leads if lead.unit is not None]
    if not stated:
        return [lead.sign * MV[(unit or "mV").lower()] for lead in leads]
    if len(stated) < len(leads):
        raise Rejection("unit not understood", "only some leads state one")
    if unit is not None and set(stated) != {MV[unit.lower()]}:
        raise Rejection("unit not understood", f"the file states another than --unit {unit}")
    return [lead.sign * own for lead, own in zip(leads, stated, strict=True)]


def check_comment(text: str, line: int, rate_hz: float, unit: str | None) -> None:
    """Raise Rejection if a comment states another unit or rate than the user does."""
    for found in STATED_UNIT.finditer(text):
        if MV[found[0].lower()] != MV[(unit or "mV").lower()]:
            raise Rejection("unit not understood", f"line {line} says {found[0]}, --unit {unit or 'mV'}")
    rate = STATED_RATE.search(text)
    if rate and abs(float(rate[1]) / rate_hz - 1) > CLOSE:
        raise Rejection("unknown sampling rate", f"line {line} says {rate[1]}, --rate {rate_hz:g}")


def check_time(step: float, name: str, rate_hz: float) -> None:
    """Raise Rejection if a column of times, or of numbers of samples, does not go with the user's rate.

    Args:
        step: from sample to sample.
        name: of the column; its unit counts if it states one.
        rate_hz: the user's.
    """
    stated = [PER_SECOND[word] for word in re.split(r"[\W_]+", name.lower()) if word in PER_SECOND]
    wanted = [per_second / rate_hz for per_second in stated or PER_SECOND.values()]
    if not any(abs(step / one - 1) < CLOSE for one in (wanted if stated else [*wanted, 1.0])):
        raise Rejection("unknown sampling rate", f"times are {step:g} apart, --rate {rate_hz:g}")


def counts(values: np.ndarray) -> bool:
    """Return whether numbers are 0, 1, 2, ... or 1, 2, 3, ..., as an index is."""
    return values.size > 0 and values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(values.size))


def runs_evenly(values: np.ndarray) -> bool:
    """Return whether numbers only grow, by even steps but for their rounding, as times do and no lead does."""
    if values.size < 3 or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
        return False
    even = np.linspace(values[0], values[-1], values.size)
    return bool(np.abs(values - even).max() < even[1] - even[0])
