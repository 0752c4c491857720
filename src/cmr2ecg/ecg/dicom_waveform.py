"""Read a 12-lead ECG from a DICOM file with waveforms (12-lead ECG, general ECG).

Source: DICOM PS3.3 C.10.9 (waveform) and PS3.16 CID 3001 (leads). A file holds groups of channels, one of them the
rhythm, another often an averaged beat. Everything about the patient is skipped.
"""

import re
from typing import Literal

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, add_lead, ecg_of, lead_key, mv_per_unit
from cmr2ecg.ecg.xml_tree import number, positive
from cmr2ecg.raw.dicom_elements import (
    CHANNEL_SOURCE,
    CHANNEL_UNITS,
    CHANNELS,
    WAVEFORMS,
    read_elements,
    read_items,
)
from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 16_000_000  # 12 leads of 200,000 samples are 5 MB
# Tags by their names in DICOM PS3.6.
ORIGINALITY, NUMBER_OF_CHANNELS, NUMBER_OF_SAMPLES, FREQUENCY = 0x003A_0004, 0x003A_0005, 0x003A_0010, 0x003A_001A
GROUP_LABEL, CHANNEL_LABEL = 0x003A_0020, 0x003A_0203
SENSITIVITY, CORRECTION, BASELINE = 0x003A_0210, 0x003A_0212, 0x003A_0213
TIME_SKEW, SAMPLE_SKEW = 0x003A_0214, 0x003A_0215
BITS, INTERPRETATION, PADDING, DATA = 0x5400_1004, 0x5400_1006, 0x5400_100A, 0x5400_1010
CODE, SCHEME, MEANING = 0x0008_0100, 0x0008_0102, 0x0008_0104
GROUP = frozenset(
    (
        *(ORIGINALITY, NUMBER_OF_CHANNELS, NUMBER_OF_SAMPLES, FREQUENCY, GROUP_LABEL),
        *(CHANNELS, BITS, INTERPRETATION, PADDING, DATA),
    )
)
CHANNEL = frozenset(
    (
        *(CHANNEL_SOURCE, CHANNEL_LABEL, CHANNEL_UNITS, SENSITIVITY, CORRECTION, BASELINE),
        *(TIME_SKEW, SAMPLE_SKEW),
    )
)
CODED = frozenset((CODE, SCHEME, MEANING))
KINDS = {("8", "SB"): "i1", ("16", "SS"): "i2", ("16", "US"): "u2", ("32", "SL"): "i4"}  # not the logarithmic ones
BEATS = ("MEDIAN", "REPRESENTATIVE", "AVERAGE")  # in the label of a group that is not the rhythm
# codes of leads: SCPECG 5.6.3-9-N and MDC 2:N
LEAD_CODE = re.compile(r"(?:5\.6\.3-9-|2:)(\d{1,3})", re.ASCII)
LEAD_OF_CODE = {
    **{1: "i", 2: "ii", 61: "iii", 62: "avr", 63: "avl", 64: "avf"},
    **{2 + number: f"v{number}" for number in range(1, 7)},
}

Items = dict[int, bytes]
Order = Literal["<", ">"]


def read_dicom(content: bytes) -> Ecg:
    """Return the rhythm of a file's content.

    Raises:
        Rejection: not DICOM, no or more than one rhythm, unknown unit, lead or sample format, or missing samples.
    """
    if len(content) > MAX_BYTES:
        raise Rejection("file too large", f"more than {MAX_BYTES} bytes")
    file = read_elements(content, frozenset((WAVEFORMS,)), WAVEFORMS)
    if WAVEFORMS not in file.values:
        raise Rejection("no rhythm", "DICOM without waveforms" if file.complete else "no waveforms, or the file is cut")
    group = _rhythm(read_items(file.values[WAVEFORMS], file.syntax, GROUP))
    order: Order = "<" if file.little else ">"
    channels = read_items(group.get(CHANNELS, b""), file.syntax, CHANNEL)
    samples = _samples(group, len(channels), order)
    rate = positive(_text(group, FREQUENCY), "unknown sampling rate", "SamplingFrequency")
    leads: dict[str, np.ndarray] = {}
    resolutions = []
    for channel, counts in zip(channels, samples.T, strict=True):
        name = _lead(channel, file.syntax)
        if name in LEAD_KEYS:
            resolution, baseline = _scale(channel, file.syntax)
            _check_skew(channel, rate)
            add_lead(leads, name, counts * resolution + baseline)
            resolutions.append(resolution)
    return ecg_of(leads, rate, resolutions)


def _text(items: Items, tag: int) -> str:
    return items.get(tag, b"").strip(b" \0").decode("latin-1")


def _rhythm(groups: list[Items]) -> Items:
    """Return the one group that is no averaged beat; of several, the one that is original."""
    found = [group for group in groups if not any(word in _text(group, GROUP_LABEL).upper() for word in BEATS)]
    if len(found) > 1:
        found = [group for group in found if _text(group, ORIGINALITY).upper() == "ORIGINAL"]
    if len(found) != 1:
        raise Rejection("more than one rhythm" if found else "no rhythm")
    return found[0]


def _samples(group: Items, channels: int, order: Order) -> np.ndarray:
    """Return a group's counts (samples, channels) as float64, NaN where padded.

    A padding value of 0 is ignored: writers put it there though 0 is a sample as any other.
    """

    def whole(tag: int) -> int:
        return int.from_bytes(group.get(tag, b""), "little" if order == "<" else "big")

    kind = KINDS.get((str(whole(BITS)), _text(group, INTERPRETATION)))
    if kind is None:
        raise Rejection("unknown sample format")
    samples, content = whole(NUMBER_OF_SAMPLES), group.get(DATA, b"")
    if samples > MAX_SAMPLES:
        raise Rejection("file too large", f"{samples} samples per lead")
    form = np.dtype(kind).newbyteorder(order)
    size = samples * channels * form.itemsize
    if whole(NUMBER_OF_CHANNELS) != channels or not 0 < size <= len(content) <= size + 1:  # padded to an even size
        raise Rejection("sample count differs from the header", f"{len(content)} bytes")
    counts = np.frombuffer(content, form, samples * channels).reshape(samples, channels)
    values = counts.astype(np.float64)
    padding = group.get(PADDING, b"")
    if len(padding) >= form.itemsize and any(padding):
        values[counts == np.frombuffer(padding, form, 1)[0]] = np.nan
    return values


def _lead(channel: Items, syntax: str) -> str:
    """Return a channel's lead by the code of its source, or by its name: "Lead I (Einthoven)"."""
    sources = read_items(channel.get(CHANNEL_SOURCE, b""), syntax, CODED)
    source = sources[0] if sources else {}
    code = LEAD_CODE.fullmatch(_text(source, CODE))
    by_code = LEAD_OF_CODE.get(int(code[1]), "another") if code else ""
    by_name = lead_key(re.split(r"[,(]", _text(source, MEANING) or _text(channel, CHANNEL_LABEL))[0])
    if by_code and by_name in LEAD_KEYS and by_name != by_code:
        raise Rejection("contradictory names of a lead", f"{by_code} and {by_name}")
    return by_code or by_name


def _scale(channel: Items, syntax: str) -> tuple[float, float]:
    """Return mV of one count, and of the count 0."""
    units = read_items(channel.get(CHANNEL_UNITS, b""), syntax, CODED)
    mv = mv_per_unit(_text(units[0], CODE) if units else "")
    reason = "unknown amplitude unit"
    sensitivity, correction, baseline = (
        number(_text(channel, tag) or default, reason, name)
        for tag, default, name in (
            (SENSITIVITY, "", "ChannelSensitivity"),
            (CORRECTION, "1", "ChannelSensitivityCorrectionFactor"),
            (BASELINE, "0", "ChannelBaseline"),
        )
    )
    return sensitivity * correction * mv, baseline * mv


def _check_skew(channel: Items, rate_hz: float) -> None:
    """Raise unless a channel's samples are less than one sample late."""
    reason = "leads are not simultaneous"
    samples = number(_text(channel, SAMPLE_SKEW) or "0", reason, "ChannelSampleSkew")
    seconds = number(_text(channel, TIME_SKEW) or "0", reason, "ChannelTimeSkew")
    if abs(samples) >= 1 or abs(seconds) * rate_hz >= 1:
        raise Rejection(reason)
