"""Read the 12-lead ECG at rest of UK Biobank field 20205, a GE CardioSoft XML file."""

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cmr2ecg.ukb.rejection import Rejection

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
MAX_BYTES = 20_000_000  # a real file has half a megabyte
MAX_SAMPLES = 200_000  # per lead
RATES_HZ = (50.0, 10_000.0)  # beyond these the rate is a damaged number


@dataclass(frozen=True)
class Ecg:
    """One record.

    signal: (12, n) float64 in mV, leads in the order of LEADS, NaN where a cell was blank.
    sampling_rate_hz: samples a second.
    resolution_uv: microvolts of one ADC count.
    """

    signal: np.ndarray
    sampling_rate_hz: float
    resolution_uv: float


def read_cardiosoft(path: Path | str) -> Ecg:
    """Read StripData (10 s, all leads) of a CardioSoft XML file.

    The waveforms are the direct children of StripData; MedianSamples (an averaged beat) and FullDisclosure are
    other signals under the same tag names and are left alone. Leads are found by name in any order and case.

    Raises:
        Rejection: if the file cannot be read as such; `reason` is one of a few fixed phrases.
    """
    return parse_cardiosoft(_bytes_of(path))


def parse_cardiosoft(content: bytes) -> Ecg:
    """Parse the bytes of a CardioSoft XML file (see `read_cardiosoft`)."""
    strip = _root(content).find("StripData")
    if strip is None:
        raise Rejection("no StripData")
    rate = _number(strip, "SampleRate", "Hz", "unknown sampling rate")
    resolution = _number(strip, "Resolution", "uVperLsb", "unknown amplitude unit")
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise Rejection("unknown sampling rate", f"{rate:g} Hz")
    return Ecg(_counts(strip) * (resolution / 1000), rate, resolution)


def _bytes_of(path: Path | str) -> bytes:
    try:
        with open(path, "rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error
    if len(content) > MAX_BYTES:
        raise Rejection("file too large", f"more than {MAX_BYTES} bytes")
    return content


def _root(content: bytes) -> Element:
    """Parse bytes, so that the encoding the file declares (ISO-8859-1) is honoured."""
    if not content.strip():
        raise Rejection("empty file")
    try:
        return fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Rejection("XML with a DTD or entities", type(error).__name__) from error
    except (ParseError, ValueError, LookupError) as error:
        raise Rejection("not XML", str(error)) from error


def _number(strip: Element, tag: str, unit: str, reason: str) -> float:
    node = strip.find(tag)
    if node is None or node.get("units", "").strip().lower() != unit.lower():
        raise Rejection(reason, f"{tag} without units {unit}")
    try:
        value = float(node.text or "")
    except ValueError as error:
        raise Rejection(reason, f"{tag} is not a number") from error
    if not (math.isfinite(value) and value > 0):
        raise Rejection(reason, f"{tag} is {value}")
    return value


def _counts(strip: Element) -> np.ndarray:
    """Return the ADC counts (12, n) of the leads in the order of LEADS."""
    texts: dict[str, str] = {}
    for node in strip.findall("WaveformData"):
        name = node.get("lead", "").strip().lower()
        if name in texts:
            raise Rejection("a lead is there twice", name)
        texts[name] = node.text or ""
    missing = [lead for lead in LEADS if lead.lower() not in texts]
    if missing:
        raise Rejection("missing lead", " ".join(missing))
    leads = [_samples(texts[lead.lower()]) for lead in LEADS]
    if len({lead.size for lead in leads}) > 1:
        raise Rejection("leads of unequal length", " ".join(str(lead.size) for lead in leads))
    return np.stack(leads)


def _samples(text: str) -> np.ndarray:
    """Return comma-separated numbers (n,) as float64; a blank cell is NaN, a comma after the last is allowed."""
    text = text.strip().removesuffix(",")
    size = text.count(",") + 1
    if size > MAX_SAMPLES:
        raise Rejection("file too large", f"{size} samples a lead")
    cells = text.split(",")
    try:
        # numpy.fromstring is faster, but turns a blank cell into -1 without a word
        values = np.array([float(cell) if cell and not cell.isspace() else np.nan for cell in cells])
    except ValueError as error:
        raise Rejection("samples are not numbers") from error
    if np.isinf(values).any():
        raise Rejection("samples are not numbers")
    return values
