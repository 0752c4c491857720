"""Read a 12-lead ECG from a GE MUSE XML file (RestingECG).

A file holds the rhythm (10 s) and an averaged beat, of eight leads as a rule: III, aVR, aVL and aVF follow from I
and II and are left missing here. Patient, order and measurements are not kept.
"""

import zlib
from xml.etree.ElementTree import Element

import numpy as np

from cmr2ecg.ecg.base64_text import decoded, numbers
from cmr2ecg.ecg.recording import LEAD_KEYS, Ecg, add_lead, ecg_of, lead_key, mv_per_unit
from cmr2ecg.ecg.xml_tree import number, positive, text_of
from cmr2ecg.raw.rejection import Rejection

ROOT = "RestingECG"
BRANCHES = frozenset({"Waveform", "Diagnosis"})  # children of the root that are read
SAMPLE_BYTES = "2"
OFFSETS = ("LeadTimeOffset", "LeadOffsetFirstSample")  # of a lead's first sample
UNIT_WORDS = {"microvolts": "uV", "millivolts": "mV", "nanovolts": "nV", "volts": "V"}
POOR_QUALITY = "poor data quality"  # in a line of the automatic diagnosis


def ecg_of_muse(root: Element) -> Ecg:
    """Return the rhythm of a parsed file with at least BRANCHES.

    Raises:
        Rejection: not one rhythm, leads that are not simultaneous, unknown unit or sample size, wrong checksum.
    """
    waves = [wave for wave in root.findall("Waveform") if text_of(wave, "WaveformType").lower() == "rhythm"]
    if len(waves) != 1:
        raise Rejection("more than one rhythm" if waves else "no rhythm")
    reason = "unknown sampling rate"
    exponent = number(text_of(waves[0], "SampleExponent") or "0", reason, "SampleExponent")
    if abs(exponent) > 6:
        raise Rejection(reason, "SampleExponent")
    rate = positive(text_of(waves[0], "SampleBase"), reason, "SampleBase") * 10**exponent
    leads: dict[str, np.ndarray] = {}
    resolutions = []
    starts = set()
    for node in waves[0].findall("LeadData"):
        name = lead_key(text_of(node, "LeadID"))
        if name in LEAD_KEYS:
            resolution = _resolution_mv(node)
            add_lead(leads, name, _counts(node) * resolution)
            resolutions.append(resolution)
            starts.add(tuple(number(text_of(node, tag) or "0", "leads are not simultaneous", tag) for tag in OFFSETS))
    if len(starts) > 1:
        raise Rejection("leads are not simultaneous")
    ecg = ecg_of(leads, rate, resolutions)
    poor = any(POOR_QUALITY in (node.text or "").lower() for node in root.iterfind("Diagnosis/*/StmtText"))
    return Ecg(ecg.signal, rate, ecg.resolution_uv, ecg.missing, poor)


def _resolution_mv(node: Element) -> float:
    unit = text_of(node, "LeadAmplitudeUnits")
    mv = mv_per_unit(UNIT_WORDS.get(unit.lower(), unit))
    scale = positive(text_of(node, "LeadAmplitudeUnitsPerBit"), "unknown amplitude unit", "LeadAmplitudeUnitsPerBit")
    return mv * scale


def _counts(node: Element) -> np.ndarray:
    """Return a lead's counts (n,)."""
    if text_of(node, "LeadSampleSize") not in ("", SAMPLE_BYTES):
        raise Rejection("unknown sample format", "samples of other than two bytes")
    content = decoded(text_of(node, "WaveFormData"))
    crc = text_of(node, "LeadDataCRC32")
    if crc and crc != str(zlib.crc32(content)):
        raise Rejection("checksum is wrong")
    counts = numbers(content, "<i2")
    if text_of(node, "LeadSampleCountTotal") not in ("", str(counts.size)):
        raise Rejection("sample count differs from the header", f"{counts.size} samples")
    return counts
