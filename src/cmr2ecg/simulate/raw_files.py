"""Write a subject's raw files under their UK Biobank names, intact or damaged."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmr2ecg.simulate.cardiosoft_xml import LEADS, cardiosoft_xml
from cmr2ecg.simulate.ecg_traits import EcgTraits
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.simulate.subject import Subject

BROKEN_ECG = ("ecg_truncated", "ecg_eleven_leads", "ecg_flat_lead")
BROKEN_CMR = ("cmr_truncated", "cmr_six_slices", "cmr_unreadable")
ODD_ECG = ("ecg_swapped_leads", "ecg_1000_hz")  # well-formed; the first is detectable only by the limb leads' equations
BROKEN = (*(kind for pair in zip(BROKEN_ECG, BROKEN_CMR, strict=True) for kind in pair), *ODD_ECG)


def write_ecg(subject: Subject, visit: int, raw: Path, broken: str = "") -> str:
    """Write the XML of field 20205, return its path below `raw`; `broken` is one of BROKEN_ECG, ODD_ECG or empty."""
    heart = subject.person.heart_ecg
    counts, leads, rate = _recording(subject.ecg_counts, broken)
    document = cardiosoft_xml(
        counts,
        sampling_rate_hz=rate,
        sex=int(heart.male),
        age=int(heart.age),
        when=subject.when,
        diagnosis=_diagnosis(subject.traits),
        measurements=_measurements(subject.traits),
        leads=leads,
    )
    if broken == "ecg_truncated":
        document = document[: len(document) * 2 // 5]
    name = f"ecg/{subject.person.eid}_20205_{visit}_0.xml"
    (raw / name).write_bytes(document)
    return name


def _recording(counts: np.ndarray, broken: str) -> tuple[np.ndarray, Sequence[str], int]:
    """Return ADC counts, names of the leads and sampling rate in Hz of a recording with the flaw `broken`."""
    if broken == "ecg_eleven_leads":
        return np.delete(counts, 8, axis=0), LEADS[:8] + LEADS[9:], 500
    if broken == "ecg_flat_lead":
        counts = counts.copy()
        counts[7] = 0
    if broken == "ecg_swapped_leads":
        return counts, (LEADS[1], LEADS[0], *LEADS[2:]), 500
    if broken == "ecg_1000_hz":
        return np.repeat(counts, 2, axis=1), LEADS, 1000
    return counts, LEADS, 500


def write_cmr(subject: Subject, visit: int, raw: Path, broken: str = "") -> str:
    """Write the zip of field 20209 and return its path relative to `raw`; `broken` is one of BROKEN_CMR or empty."""
    if subject.cine is None:
        raise ValueError("a subject who was never imaged has no zip")
    person, volume = subject.person, subject.cine.volume
    if broken == "cmr_six_slices":
        volume = volume[:6]
    name = f"cmr/{person.eid}_20209_{visit}_0.zip"
    path = raw / name
    write_sax_zip(
        path,
        volume,
        pixel_spacing_mm=subject.cine.pixel_spacing_mm,
        manifest="manifest.cvs" if person.index % 3 else "manifest.csv",
        when=subject.when,
        seed=10 * person.index + visit,
        rr_ms=60000 / float(person.heart_image.rate),
    )
    if broken == "cmr_truncated":
        os.truncate(path, path.stat().st_size * 3 // 5)
    if broken == "cmr_unreadable":
        _scramble(path)
    return name


def _scramble(path: Path) -> None:
    """Overwrite every image in the zip with bytes that are not DICOM."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    noise = np.random.default_rng(0).bytes(4096)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(member.filename, member.date_time), noise)


def _diagnosis(traits: EcgTraits) -> list[str]:
    """The recorder's automatic diagnosis."""
    lines = ["Atrial fibrillation" if traits.af else _sinus(traits.rate)]
    if traits.block:
        lines.append({"LBBB": "Left bundle branch block", "RBBB": "Right bundle branch block"}[traits.block])
    if traits.strain > 0.5:
        lines.append("ST & T wave abnormality, consider strain")
    return [*lines, "Otherwise normal ECG" if len(lines) == 1 else "Abnormal ECG"]


def _sinus(rate: float) -> str:
    if rate < 60:
        return "Sinus bradycardia"
    return "Sinus tachycardia" if rate > 100 else "Normal sinus rhythm"


def _measurements(traits: EcgTraits) -> dict[str, float]:
    """The recorder's measurements; an absent P wave is not measured."""
    interval = 60000 / traits.rate
    found = {
        "VentricularRate": round(traits.rate),
        "QRSDuration": round(traits.qrs_ms),
        "QTInterval": round(traits.qt_ms),
        "QTCInterval": round(traits.qt_ms / np.sqrt(interval / 1000)),
        "RRInterval": round(interval),
        "RAxis": round(traits.axis_degrees),
        "QRSNum": int(10 * traits.rate / 60),
    }
    return found if traits.af else found | {"PQInterval": round(traits.pr_ms), "PPInterval": round(interval)}
