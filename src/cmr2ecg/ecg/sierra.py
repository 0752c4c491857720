"""Read a 12-lead ECG from a Philips Sierra XML file (restingecgdata, versions 1.03 and 1.04).

Source: the schemas in sixlettervariables/sierra-ecg-tools (MIT). They fix the unit of a count, microvolts; the file
states how many. All leads lie in one block of base64, one after another, most often compressed (xli.py); then the
limb leads III, aVR, aVL and aVF hold what is left of them after their computation from I and II. Representative beats
are ignored.
"""

from xml.etree.ElementTree import Element

import numpy as np

from cmr2ecg.ecg.base64_text import decoded, numbers
from cmr2ecg.ecg.recording import LEAD_KEYS, LEADS, LIMB_LEADS, MAX_SAMPLES, Ecg, add_lead, ecg_of, lead_key
from cmr2ecg.ecg.xli import decode_xli
from cmr2ecg.ecg.xml_tree import number, positive, text_of
from cmr2ecg.raw.rejection import Rejection

ROOT = "restingecgdata"
BRANCHES = frozenset({"documentinfo", "dataacquisition", "waveforms"})  # children of the root that are read
TYPES = frozenset({"SierraECG", "PhilipsECG"})
VERSIONS = frozenset({"1.03", "1.04", "1.04.01", "1.04.02"})
TWELVE_LEADS = frozenset({"STD-12", "10-WIRE"})  # sets of leads in the order of LEADS
NONE = frozenset({"", "none", "uncompressed"})
UNIT_UV = 1.0  # of the resolution, by the schemas


def ecg_of_sierra(root: Element) -> Ecg:
    """Return the waveforms of a parsed file with at least BRANCHES.

    Raises:
        Rejection: an unknown version, encoding or set of leads; too few samples; no rate or resolution.
    """
    kind, version = (root.findtext(f"documentinfo/document{part}", "").strip() for part in ("type", "version"))
    if kind not in TYPES or version not in VERSIONS:
        raise Rejection("unknown Sierra version")
    blocks = root.findall("waveforms/parsedwaveforms")
    signals = root.find("dataacquisition/signalcharacteristics")
    if len(blocks) != 1 or signals is None:
        raise Rejection("more than one rhythm" if len(blocks) > 1 else "no rhythm")
    block = blocks[0]

    def stated(attribute: str, *tags: str) -> str:
        """Return an attribute of the waveforms, or the first of some elements about the signals."""
        found = (block.get(attribute, ""), *(text_of(signals, tag) for tag in tags))
        return next((text.strip() for text in found if text.strip()), "")

    rate = positive(stated("samplespersecond", "samplingrate"), "unknown sampling rate", "samplingrate")
    resolution = positive(
        stated("resolution", "resolution", "signalresolution"), "unknown amplitude unit", "resolution"
    )
    offset = number(stated("signaloffset", "signaloffset") or "0", "unknown amplitude unit", "signaloffset")
    if (stated("bitspersample", "bitspersample") or block.get("nbitspersample", "16")) != "16":
        raise Rejection("unknown sample format", "samples of other than two bytes")
    names = _names(stated("leadlabels"), stated("leadset", "acquisitiontype", "leadset"))
    samples = _samples_per_lead(block.get("durationperchannel", ""), rate)
    signed = stated("signalsigned", "signalsigned").lower() != "false"
    leads: dict[str, np.ndarray] = {}
    for name, counts in zip(names, _counts(block, names, samples, signed), strict=False):
        if name in LEAD_KEYS:
            add_lead(leads, name, (counts - offset) * (resolution * UNIT_UV / 1000))
    return ecg_of(leads, rate, [resolution * UNIT_UV / 1000])


def _names(labels: str, lead_set: str) -> list[str]:
    """Return the `lead_key` of each lead in the file."""
    if labels:
        return list(map(lead_key, labels.split()))
    if lead_set not in TWELVE_LEADS:
        raise Rejection("missing lead", "no names of leads")
    return [lead.lower() for lead in LEADS]


def _samples_per_lead(duration_ms: str, rate_hz: float) -> int:
    reason = "sample count differs from the header"
    samples = positive(duration_ms, reason, "durationperchannel") * rate_hz / 1000
    if samples > MAX_SAMPLES:
        raise Rejection("file too large", f"{samples:.0f} samples per lead")
    return round(samples)


def _counts(block: Element, names: list[str], samples: int, signed: bool) -> list[np.ndarray]:
    """Return the counts (samples,) of each lead."""
    if block.get("dataencoding", "").lower() != "base64":
        raise Rejection("unknown sample format", "not base64")
    content = decoded(block.text or "")
    method = (block.get("compression") or block.get("compressmethod") or "").lower()
    if block.get("compressflag", "").lower() == "false" or method in NONE:
        counts = numbers(content, "<i2" if signed else "<u2")
        if counts.size != len(names) * samples:
            raise Rejection("sample count differs from the header", f"{counts.size} samples")
        return list(counts.reshape(len(names), samples))
    if method != "xli":
        raise Rejection("unknown sample format", "compression other than XLI")
    chunks = decode_xli(content)
    if len(chunks) < len(names) or min(chunk.size for chunk in chunks[: len(names)]) < samples:
        raise Rejection("sample count differs from the header", f"{len(chunks)} leads")
    leads = [chunk[:samples] for chunk in chunks[: len(names)]]
    return _limb_leads(leads) if names[:6] == [lead.lower() for lead in LIMB_LEADS] else leads


def _limb_leads(leads: list[np.ndarray]) -> list[np.ndarray]:
    """Return the leads with III, aVR, aVL and aVF in place of what was stored: their computation less themselves."""
    one, two = leads[:2]
    three = two - one - leads[2]
    avr = -((one + two) // 2) - leads[3]
    return [one, two, three, avr, (one - three) // 2 - leads[4], (two + three) // 2 - leads[5], *leads[6:]]
