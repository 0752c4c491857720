"""Read the 12-lead ECG at rest of UK Biobank field 20205, a GE CardioSoft XML file."""

import math
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from cmr2ecg.ukb.plain_file import read_plain
from cmr2ecg.ukb.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, check_rate, lead_key, stack_leads
from cmr2ecg.ukb.rejection import Rejection

MAX_BYTES = 8_000_000  # a real file has half a megabyte
MAX_ELEMENTS, MAX_DEPTH = 50_000, 50  # a real file has some hundred elements, 5 deep
EXACT = 2**53  # whole numbers below are exact as float64
POOR_QUALITY = "poor data quality"  # a line of the automatic diagnosis


def read_cardiosoft(path: Path | str) -> Ecg:
    """Read StripData (10 s, all leads) of a CardioSoft XML file.

    The waveforms are the direct children of StripData; MedianSamples (an averaged beat) and FullDisclosure are
    other signals under the same tag names and are left alone. Leads are found by name in any order and case.

    Raises:
        Rejection: if the file cannot be read as such; `reason` is one of a few fixed phrases.
    """
    return parse_cardiosoft(read_plain(path, MAX_BYTES))


def parse_cardiosoft(content: bytes) -> Ecg:
    """Parse the bytes of a CardioSoft XML file (see `read_cardiosoft`)."""
    root = _root(content)
    strips = root.findall("StripData")
    if len(strips) != 1:
        raise Rejection("more than one StripData" if strips else "no StripData")
    rate = _number(strips[0], "SampleRate", "Hz", "unknown sampling rate")
    resolution = _number(strips[0], "Resolution", "uVperLsb", "unknown amplitude unit")
    check_rate(rate)
    counts, missing = stack_leads(_counts(strips[0]))
    declared = (strips[0].findtext("ChannelSampleCountTotal") or "").strip()
    if declared not in ("", str(counts.shape[1])):
        raise Rejection("sample count differs from the header", f"{counts.shape[1]} samples")
    poor = any(POOR_QUALITY in (node.text or "").lower() for node in root.iterfind("Interpretation/*/DiagnosisText"))
    return Ecg(counts * (resolution / 1000), rate, resolution, missing, poor)


class _BoundedTree(TreeBuilder):
    """A tree that refuses to grow or to nest beyond what an ECG needs, so that memory stays bounded."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = self.depth = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self.elements += 1
        self.depth += 1
        if self.elements > MAX_ELEMENTS or self.depth > MAX_DEPTH:
            raise Rejection("XML too large", f"more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self.depth -= 1
        return super().end(tag)


def _root(content: bytes) -> Element:
    """Parse bytes, so that the encoding the file declares (ISO-8859-1) is honoured."""
    if not content.strip():
        raise Rejection("empty file")
    parser = XMLParser(target=_BoundedTree(), forbid_dtd=True)
    try:
        parser.feed(content)
        return parser.close()
    except DefusedXmlException as error:
        raise Rejection("XML with a DTD or entities", type(error).__name__) from error
    except (ParseError, ValueError, LookupError) as error:
        raise Rejection("not XML", str(error) if isinstance(error, ParseError) else type(error).__name__) from error


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


def _counts(strip: Element) -> dict[str, np.ndarray]:
    """Return the ADC counts (n,) by `lead_key`."""
    leads: dict[str, np.ndarray] = {}
    for node in strip.findall("WaveformData"):
        name = lead_key(node.get("lead", ""))
        if name not in LEAD_KEYS:
            continue
        if name in leads:
            raise Rejection("a lead is there twice", name)
        leads[name] = _samples(node.text or "")
    return leads


def _samples(text: str) -> np.ndarray:
    """Return comma-separated whole numbers (n,) as float64; a blank cell is NaN, a comma after the last is allowed."""
    text = text.strip().removesuffix(",")
    size = text.count(",") + 1
    if size > MAX_SAMPLES:
        raise Rejection("file too large", f"{size} samples a lead")
    plain = _plain_cells(text)
    if plain:
        values = np.fromstring(plain, np.int64, size, sep=",").astype(np.float64)
        if np.abs(values).max() < EXACT:
            return values
    return _tolerant(text.split(","))


def _plain_cells(text: str) -> bytes:
    """Return the cells without line breaks, or nothing unless each is a whole number of at least one digit.

    numpy.fromstring is four times as fast as int() on each cell, but turns a blank one into -1 without a word and
    stops at a wrong one, so all that it misreads is kept from it.
    """
    if not text.isascii():
        return b""
    words = text.encode().split()
    if not all(word.endswith(b",") for word in words[:-1]):  # white space inside a cell
        return b""
    cells = b"".join(words)
    signs = cells.count(b"-")
    wrong = (
        cells.translate(None, b"0123456789,-"),
        b",," in cells or cells[:1] in (b"", b",") or cells.endswith(b","),
        signs and (signs != cells.count(b",-") + cells.startswith(b"-") or b"-," in cells or cells.endswith(b"-")),
    )
    return b"" if any(wrong) else cells


def _tolerant(cells: list[str]) -> np.ndarray:
    """Return what a re-exported file may hold too: blank cells, NaN, and counts such as 12.0."""
    try:
        values = np.array([float(cell) if cell and not cell.isspace() else np.nan for cell in cells])
    except (ValueError, OverflowError) as error:
        raise Rejection("samples are not numbers") from error
    if any("_" in cell for cell in cells) or np.isinf(values).any() or (values % 1 > 0).any():
        raise Rejection("samples are not numbers")
    return values
