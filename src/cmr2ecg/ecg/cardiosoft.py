"""Read the 12-lead ECG at rest of UK Biobank field 20205, a GE CardioSoft XML file."""

import math
import re
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from cmr2ecg.ecg.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, check_rate, check_resolution, lead_key, stack_leads
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 8_000_000  # a real file has half a megabyte
MAX_ELEMENTS, MAX_DEPTH = 50_000, 50  # a real file has some hundred elements, 5 deep
MAX_ATTRIBUTES = 50_000  # a real file has some hundred
BRANCHES = frozenset({"StripData", "Interpretation"})  # children of the root that are read
CELLS_APART = re.compile(rb"\s(?<=[^\s,]\s)\s*[^\s,]")  # starts with the rare character: a quarter of the time
EXACT = 2**53  # whole numbers below are exact as float64
POOR_QUALITY = "poor data quality"  # a line of the automatic diagnosis


def read_cardiosoft(path: Path | str) -> Ecg:
    """Read StripData (10 s, all leads) of a CardioSoft XML file.

    The waveforms are the direct children of StripData; MedianSamples (an averaged beat) and FullDisclosure are
    other signals with the same tag names and are ignored. Leads are identified by name in any order and case.

    Namespaces, default or prefixed, are ignored.

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
    check_resolution(resolution)
    counts, missing = stack_leads(_counts(strips[0]))
    declared = (strips[0].findtext("ChannelSampleCountTotal") or "").strip()
    if declared not in ("", str(counts.shape[1])):
        raise Rejection("sample count differs from the header", f"{counts.shape[1]} samples")
    poor = any(POOR_QUALITY in (node.text or "").lower() for node in root.iterfind("Interpretation/*/DiagnosisText"))
    with np.errstate(over="ignore"):  # samples of 300 digits, which `prepare` refuses
        signal = counts * (resolution / 1000)
    return Ecg(signal, rate, resolution, missing, poor)


class _Branches(ContentHandler):
    """Builds a tree of the used branches only, refuses more elements than an ECG needs, leaves namespaces unresolved.

    Resolving would write a namespace's whole name into every element and attribute: gigabytes from 200 kB.
    """

    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self.elements = self.depth = 0
        self.left_out = 0  # depth at which an unused branch began, 0 outside

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self.elements += 1
        self.depth += 1
        if self.elements > MAX_ELEMENTS or self.depth > MAX_DEPTH:
            raise Rejection("XML too large", f"more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        name = name.rpartition(":")[2]
        if not self.left_out and self.depth == 2 and name not in BRANCHES:
            self.left_out = self.depth
        if not self.left_out:
            self.tree.start(name, dict(attrs))

    def characters(self, content: str) -> None:
        if not self.left_out and self.depth > 1:
            self.tree.data(content)

    def endElement(self, name: str) -> None:
        if not self.left_out:
            self.tree.end(name.rpartition(":")[2])
        elif self.left_out == self.depth:
            self.left_out = 0
        self.depth -= 1


def _root(content: bytes) -> Element:
    """Parse bytes, so that the encoding the file declares (ISO-8859-1) is honoured."""
    if not content.strip():
        raise Rejection("empty file")
    if content.count(b"=") > MAX_ATTRIBUTES:
        raise Rejection("XML too large", f"more than {MAX_ATTRIBUTES} attributes")
    parser, branches = DefusedExpatParser(forbid_dtd=True), _Branches()
    parser.setContentHandler(branches)
    try:
        parser.feed(content)
        parser.close()
    except DefusedXmlException as error:
        raise Rejection("XML with a DTD or entities", type(error).__name__) from error
    except SAXParseException as error:
        place = f"line {error.getLineNumber()}, column {error.getColumnNumber()}"
        raise Rejection("not XML", f"{error.getMessage()}: {place}") from error
    except (ValueError, LookupError) as error:
        raise Rejection("not XML", type(error).__name__) from error
    return branches.tree.close()


def _number(strip: Element, tag: str, unit: str, reason: str) -> float:
    nodes = strip.findall(tag)
    if len(nodes) > 1:
        raise Rejection(reason, f"{tag} is duplicated")
    node = nodes[0] if nodes else None
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
            raise Rejection("duplicate lead", name)
        leads[name] = _samples(node.text or "")
    return leads


def _samples(text: str) -> np.ndarray:
    """Return comma-separated whole numbers (n,) as float64; a blank cell is NaN, a comma after the last is allowed."""
    text = text.strip().removesuffix(",")
    size = text.count(",") + 1
    if size > MAX_SAMPLES:
        raise Rejection("file too large", f"{size} samples per lead")
    plain = _plain_cells(text)
    if plain:
        values = np.fromstring(plain, np.int64, size, sep=",").astype(np.float64)
        if np.abs(values).max() < EXACT:
            return values
    return _tolerant(text.split(","))


def _plain_cells(text: str) -> bytes:
    """Return the cells without line breaks, or nothing unless each is a whole number of at least one digit.

    numpy.fromstring is four times as fast as int() on each cell, but silently turns a blank one into -1 and
    stops at an invalid one, so it never gets cells that it would misread.
    """
    if not text.isascii():
        return b""
    cells = text.encode()
    if CELLS_APART.search(cells):  # white space inside a cell
        return b""
    cells = cells.translate(None, b" \t\r\n\v\f")
    signs = cells.count(b"-")
    wrong = (
        cells.translate(None, b"0123456789,-"),
        b",," in cells or cells[:1] in (b"", b",") or cells.endswith(b","),
        signs and (signs != cells.count(b",-") + cells.startswith(b"-") or b"-," in cells or cells.endswith(b"-")),
    )
    return b"" if any(wrong) else cells


def _tolerant(cells: list[str]) -> np.ndarray:
    """Return the values of cells in a re-exported file: blank cells, NaN, and counts such as 12.0."""
    try:
        values = np.array([float(cell) if cell and not cell.isspace() else np.nan for cell in cells])
    except (ValueError, OverflowError) as error:
        raise Rejection("samples are not numbers") from error
    if any("_" in cell for cell in cells) or np.isinf(values).any() or (values % 1 > 0).any():
        raise Rejection("samples are not numbers")
    return values
