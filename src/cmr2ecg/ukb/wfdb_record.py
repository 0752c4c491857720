"""Read a 12-lead ECG from a WFDB record: a text header (.hea) and the signal files it names, both beside each other.

The header comes from outside and the wfdb package would follow it to any place, so it is vetted first. Only records
of one segment in the plain (not compressed) formats are read.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmr2ecg.ukb.plain_file import check_plain, read_plain
from cmr2ecg.ukb.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, check_rate, lead_key, stack_leads
from cmr2ecg.ukb.rejection import Rejection

MAX_HEADER_BYTES = 64_000  # a real one has 1 kB
MAX_SIGNAL_BYTES = 20_000_000  # a real one has 120 kB
MAX_SIGNALS = 32
FORMATS = frozenset({8, 16, 24, 32, 61, 80, 160, 212, 310, 311})
MV_OF_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
NAME = re.compile(r"[-\w]+(\.\w+)?", re.ASCII)  # of a signal file; the header's own folder, nothing else
FORMAT = re.compile(r"(?P<format>\d{1,3})(x(?P<per_frame>\d{1,4}))?(:(?P<skew>\d{1,4}))?(\+(?P<offset>\d{1,6}))?")
GAIN = re.compile(r"(?P<gain>\d+\.?\d*(e[+-]?\d+)?)(\(-?\d+\))?(/(?P<unit>\S+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Signal:
    """One signal line of a header."""

    file: str
    mv_per_unit: float
    gain: float  # counts a unit
    lead: str  # see `lead_key`


def read_wfdb(path: Path | str) -> Ecg:
    """Read the twelve leads of the record whose header is `path`, in any order and case.

    Rate, unit and gain must stand in the header; a checksum that stands there must be right.

    Raises:
        Rejection: if the record cannot be read as such; `reason` is one of a few fixed phrases.
    """
    rate, samples, signals = parse_header(read_plain(path, MAX_HEADER_BYTES))
    for name in sorted({signal.file for signal in signals}):
        check_plain(Path(path).with_name(name), MAX_SIGNAL_BYTES)
    wanted = [index for index, signal in enumerate(signals) if signal.lead in LEAD_KEYS]
    names = [signals[index].lead for index in wanted]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Rejection("a lead is there twice", " ".join(sorted(twice)))
    if not wanted:
        raise Rejection("missing lead", "no lead has a known name")
    values = _values(Path(path), samples, wanted, [signals[index].gain for index in wanted])
    leads = {name: row * signals[index].mv_per_unit for name, row, index in zip(names, values, wanted, strict=True)}
    signal, missing = stack_leads(leads)
    resolution = max(1000 * signals[index].mv_per_unit / signals[index].gain for index in wanted)
    return Ecg(signal, rate, resolution, missing)


def parse_header(content: bytes) -> tuple[float, int, list[Signal]]:
    """Return sampling rate in Hz, samples a signal and the signals of a header.

    Raises:
        Rejection: it is no header of a record of one segment, lacks the rate, a unit or a gain, or names files
            elsewhere.
    """
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    record = lines[0].split() if lines else []
    if len(record) < 2 or not record[1].isdecimal():
        raise Rejection("not a WFDB header")
    if "/" in record[0]:
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


def _size(record: list[str]) -> int:
    text = record[3] if len(record) > 3 else ""
    if not text.isdecimal() or int(text[:12]) == 0:
        raise Rejection("not a WFDB header", "no number of samples")
    if int(text[:12]) > MAX_SAMPLES:
        raise Rejection("file too large", f"{text[:12]} samples a lead")
    return int(text)


def _signal(line: str) -> Signal:
    """Parse `FILE FORMAT GAIN(BASELINE)/UNITS RESOLUTION ZERO INITIAL CHECKSUM BLOCK DESCRIPTION`."""
    fields = line.split(maxsplit=8)
    if len(fields) < 3:
        raise Rejection("not a WFDB header", "a signal line is too short")
    if not NAME.fullmatch(fields[0]):
        raise Rejection("signal file is not beside its header")
    form, gain = FORMAT.fullmatch(fields[1]), GAIN.fullmatch(fields[2])
    if not form or int(form["format"]) not in FORMATS or form["per_frame"] not in (None, "1"):
        raise Rejection("unknown WFDB format", fields[1][:20] if len(fields[1]) < 6 else "")
    # a record without units has millivolts by definition; one without a gain is not calibrated
    scale = MV_OF_UNIT.get((gain["unit"] or "mv").strip("/").lower()) if gain else None
    if not gain or scale is None or not 0 < float(gain["gain"]) < math.inf:
        raise Rejection("unknown amplitude unit")
    return Signal(fields[0], scale, float(gain["gain"]), lead_key(fields[8]) if len(fields) > 8 else "")


def _values(path: Path, samples: int, channels: list[int], gains: list[float]) -> np.ndarray:
    """Return the channels (channels, samples) in the header's units, NaN where a sample is marked as invalid."""
    from wfdb import rdrecord  # a third of a second that XML files do not need

    place = str(path.resolve().with_suffix(""))
    if "::" in place or "://" in place:
        raise Rejection("file cannot be opened", "a path that is read as an address")
    try:
        record = rdrecord(place, physical=False, channels=channels)
        digital = record.d_signal
        if list(record.adc_gain) != gains:
            raise Rejection("not a WFDB header", "a signal line can be read in two ways")
        if digital.shape != (samples, len(channels)):
            raise Rejection("sample count differs from the header", f"{len(digital)} of {samples}")
        _check_sums(digital, record.checksum)
        return record.dac().T
    except Rejection:
        raise
    except Exception as error:  # whatever wfdb makes of damaged files
        raise Rejection("not a WFDB record", type(error).__name__) from error


def _check_sums(digital: np.ndarray, checksums: list[int | None]) -> None:
    """Compare each signal's sum, modulo 65536, with the header's."""
    for values, expected in zip(digital.T, checksums, strict=True):
        if expected is not None and (int(values.sum(dtype=np.int64)) - expected) % 65536:
            raise Rejection("checksum is wrong")
