"""Read a 12-lead ECG from an EDF, EDF+ or BDF file.

Source: https://www.edfplus.info/specs/edf.html; BDF has samples of three bytes (https://www.biosemi.com/faq/file_format.htm).
Patient, recording, date and annotations are skipped. Signals other than the leads may have any unit and rate.
"""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, add_lead, ecg_of, lead_key, mv_per_unit
from cmr2ecg.ecg.xml_tree import number, positive
from cmr2ecg.raw.rejection import Rejection

EDF, BDF = b"0       ", b"\xffBIOSEMI"  # the first bytes
MAX_SIGNALS = 64
FIXED = 256  # bytes of the header before that of the signals, and of each signal
# the header has each field of all signals in turn; bytes of one
FIELDS = {
    **{"label": 16, "transducer": 80, "unit": 8, "physical_min": 8, "physical_max": 8},
    **{"digital_min": 8, "digital_max": 8, "filters": 80, "samples": 8, "reserved": 32},
}
DAMAGED = "not an EDF header"


@dataclass(frozen=True)
class Signal:
    """A signal of a data record: where its samples begin and how many they are; the rest of its header as text."""

    name: str
    start: int
    samples: int
    fields: dict[str, str]


def read_edf(content: bytes) -> Ecg:
    """Return the leads of a file's content.

    Raises:
        Rejection: a damaged header, a record with gaps, an unknown unit, leads of several rates, or missing samples.
    """
    width = 3 if content.startswith(BDF) else 2
    records, seconds, signals = _header(content)
    leads = [signal for signal in signals if signal.name in LEAD_KEYS]
    rates = {signal.samples / seconds for signal in leads}
    if len(rates) > 1:
        raise Rejection("unknown sampling rate", "leads of several rates")
    per_record = sum(signal.samples for signal in signals)
    start = FIXED * (1 + len(signals))
    size = records * per_record * width
    if records < 1 or len(content) != start + size:  # a byte more could lie anywhere and shift all that follow
        raise Rejection("sample count differs from the header", f"{len(content) - start} bytes of {size}")
    if max((signal.samples for signal in leads), default=0) * records > MAX_SAMPLES:
        raise Rejection("file too large", f"more than {MAX_SAMPLES} samples per lead")
    data = np.frombuffer(content, np.uint8, size, start).reshape(records, per_record, width)
    found: dict[str, np.ndarray] = {}
    resolutions = []
    for lead in leads:
        gain, digital, physical, mv = _scale(lead.fields)
        counts = _whole(data[:, lead.start : lead.start + lead.samples]).ravel()
        add_lead(found, lead.name, ((counts - digital) * gain + physical) * mv)
        resolutions.append(gain * mv)
    return ecg_of(found, rates.pop() if rates else 0, resolutions)


def _header(content: bytes) -> tuple[int, float, list[Signal]]:
    """Return the number of data records, the seconds of each, and the signals."""
    fixed = content[:FIXED].decode("latin-1")
    if fixed[192:197] in ("EDF+D", "BDF+D"):
        raise Rejection("record with gaps")
    records, count = (_whole_number(fixed[place]) for place in (slice(236, 244), slice(252, 256)))
    seconds = positive(fixed[244:252], "unknown sampling rate", "duration of a record")
    text = content[FIXED : FIXED * (1 + count)].decode("latin-1") if 0 < count <= MAX_SIGNALS else ""
    if not text or len(text) < FIXED * count or len(fixed) < FIXED:
        raise Rejection(DAMAGED, "number of signals")
    columns: list[dict[str, str]] = [{} for _ in range(count)]
    at = 0
    for name, size in FIELDS.items():
        for column in columns:
            column[name] = text[at : at + size].strip(" \0")
            at += size
    signals: list[Signal] = []
    start = 0
    for column in columns:
        samples = _whole_number(column["samples"])
        if not 0 < samples <= len(content):
            raise Rejection(DAMAGED, "samples of a record")
        signals.append(Signal(lead_key(column["label"]), start, samples, column))
        start += samples
    return records, seconds, signals


def _whole_number(text: str) -> int:
    value = number(text, DAMAGED, "a count")
    if value % 1:
        raise Rejection(DAMAGED, "a count is not whole")
    return int(value)


def _scale(fields: dict[str, str]) -> tuple[float, float, float, float]:
    """Return units per count, the least count, the units that it stands for, and mV per unit."""
    mv = mv_per_unit(fields["unit"])
    reason = "unknown amplitude unit"
    low, high, least, most = (
        number(fields[name], reason, name.replace("_", " "))
        for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    if most <= least or high == low:
        raise Rejection(reason, "an empty range")
    return (high - low) / (most - least), least, low, mv


def _whole(data: np.ndarray) -> np.ndarray:
    """Return signed little-endian numbers of bytes (..., width) as float64."""
    wide = data.astype(np.int32)
    values = wide[..., 0] | wide[..., 1] << 8
    if data.shape[-1] == 2:
        return ((values ^ 0x8000) - 0x8000).astype(np.float64)
    return (((values | wide[..., 2] << 16) ^ 0x800000) - 0x800000).astype(np.float64)
