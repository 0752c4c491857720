"""Read a 12-lead ECG from an HL7 aECG file (AnnotatedECG, ANSI/HL7 V3 ECG R1-2004).

A series of code RHYTHM holds a sequence set: one sequence of times, whose increment is the sampling interval, and one
of each lead, `origin + scale * digit`. A representative beat is another series, or derived from the first, and is
ignored, as is everything about subject and trial.
"""

from xml.etree.ElementTree import Element

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, MAX_SAMPLES, Ecg, add_lead, ecg_of, mv_per_unit
from cmr2ecg.ecg.xml_tree import number, positive
from cmr2ecg.raw.rejection import Rejection

ROOT = "AnnotatedECG"
BRANCHES = frozenset({"component"})  # children of the root that are read
RHYTHM = ("RHYTHM", "")  # codes of a series that is not a representative beat
LEAD = "_ECG_LEAD_"  # as in MDC_ECG_LEAD_AVR; some vendors have a prefix of their own
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def ecg_of_aecg(root: Element) -> Ecg:
    """Return the rhythm of a parsed file with at least BRANCHES.

    Raises:
        Rejection: not one rhythm of one sequence set, an unknown unit, or digits that are not numbers.
    """
    series = [node for node in root.findall("component/series") if _code(node) in RHYTHM]
    sets = [node for one in series for node in one.findall("component/sequenceSet")]
    if len(sets) != 1:
        raise Rejection("more than one rhythm" if sets else "no rhythm")
    rates, resolutions = set(), []
    leads: dict[str, np.ndarray] = {}
    for sequence in sets[0].findall("component/sequence"):
        code = _code(sequence)
        if code.startswith("TIME_"):
            rates.add(_rate(sequence))
        name = code.partition(LEAD)[2].lower()
        if name in LEAD_KEYS:
            origin, resolution = _scale(sequence)
            add_lead(leads, name, origin + resolution * _digits(sequence.findtext("value/digits") or ""))
            resolutions.append(resolution)
    if len(rates) != 1:
        raise Rejection("unknown sampling rate", "several increments" if rates else "no increment")
    return ecg_of(leads, rates.pop(), resolutions)


def _code(node: Element) -> str:
    found = node.find("code")
    return "" if found is None else found.get("code", "").strip().upper()


def _attributes(sequence: Element, tag: str) -> dict[str, str]:
    found = sequence.findall(f"value/{tag}")
    if len(found) > 1:
        raise Rejection("contradictory XML", f"{tag} is duplicated")
    return {name: text.strip() for name, text in found[0].items()} if found else {}


def _rate(sequence: Element) -> float:
    """Return samples per second, with nine digits: 1 / 0.002 s must be 500."""
    step = _attributes(sequence, "increment")
    seconds = SECONDS.get(step.get("unit", ""))
    if seconds is None:
        raise Rejection("unknown sampling rate", "increment without a unit of time")
    return float(f"{1 / (positive(step.get('value', ''), 'unknown sampling rate', 'increment') * seconds):.9g}")


def _scale(sequence: Element) -> tuple[float, float]:
    """Return the voltage of the digit 0 and that of one digit, both in mV."""
    reason = "unknown amplitude unit"
    scale, origin = (_attributes(sequence, tag) for tag in ("scale", "origin"))
    resolution = positive(scale.get("value", ""), reason, "scale") * mv_per_unit(scale.get("unit", ""))
    start = number(origin.get("value") or "0", reason, "origin")
    return start and start * mv_per_unit(origin.get("unit", "")), resolution


def _digits(text: str) -> np.ndarray:
    """Return numbers apart by blanks (n,) as float64; they are whole by the standard, some vendors write fractions."""
    cells = text.split()
    if len(cells) > MAX_SAMPLES:
        raise Rejection("file too large", f"{len(cells)} samples per lead")
    try:
        values = np.array(list(map(float, cells)))
    except ValueError as error:
        raise Rejection("samples are not numbers") from error
    if "_" in text or not np.isfinite(values).all():
        raise Rejection("samples are not numbers")
    return values
