"""Read the 12-lead ECG at rest of UK Biobank field 20205, a GE CardioSoft XML file."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, check_rate, check_resolution, lead_key, stack_leads
from cmr2ecg.ecg.xml_tree import MAX_BYTES, parse_xml, positive
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection

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
    return ecg_of_cardiosoft(parse_xml(content, {}, BRANCHES))


def ecg_of_cardiosoft(root: Element) -> Ecg:
    """Return the ECG of a parsed CardioSoft XML file with at least BRANCHES (see `read_cardiosoft`)."""
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


def _number(strip: Element, tag: str, unit: str, reason: str) -> float:
    nodes = strip.findall(tag)
    if len(nodes) > 1:
        raise Rejection(reason, f"{tag} is duplicated")
    node = nodes[0] if nodes else None
    if node is None or node.get("units", "").strip().lower() != unit.lower():
        raise Rejection(reason, f"{tag} without units {unit}")
    return positive(node.text or "", reason, tag)


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
