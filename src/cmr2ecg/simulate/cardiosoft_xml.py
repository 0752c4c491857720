"""Write a resting ECG as the CardioSoft XML of UK Biobank field 20205.

The file has the features of real ones: ISO-8859-1, CRLF, tab indentation, samples as ADC counts
separated by commas and wrapped every 300 values, and a second set of leads (MedianSamples) that is not the recording.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
MEDIAN_SAMPLES = 600  # 1.2 s at 500 Hz
VALUES_A_LINE = 300
VISIT = datetime(2016, 7, 4, 10, 15, 30, tzinfo=UTC)

# name -> (unit attribute, unit); the device leaves a measurement empty when it finds none
MEASUREMENTS = {
    "VentricularRate": "BPM",
    "PQInterval": "ms",
    "PDuration": "ms",
    "QRSDuration": "ms",
    "QTInterval": "ms",
    "QTCInterval": "ms",
    "RRInterval": "ms",
    "PPInterval": "ms",
    "SokolovLVHIndex": "mV",
    "PAxis": "degrees",
    "RAxis": "degrees",
    "TAxis": "degrees",
    "QTDispersion": "ms",
    "QTDispersionBazett": "ms",
    "QRSNum": "",
}


def cardiosoft_xml(
    counts: np.ndarray,
    *,
    sampling_rate_hz: int = 500,
    resolution_uv: float = 5.0,
    sex: int = 0,
    age: int = 60,
    when: datetime = VISIT,
    diagnosis: Sequence[str] = ("Normal sinus rhythm",),
    measurements: Mapping[str, float] | None = None,
    leads: Sequence[str] = LEADS,
) -> bytes:
    """Return the bytes of a CardiologyXML document.

    Args:
        counts: (leads, samples) integers in units of `resolution_uv`, in the order of `leads`.
        sampling_rate_hz: samples per second.
        resolution_uv: microvolts of one count.
        sex: 0 female, 1 male (UK Biobank coding 9).
        age: years.
        when: start of the recording; UTC if it has no time zone.
        diagnosis: lines of the automatic diagnosis.
        measurements: values of `RestingECGMeasurements` by tag; a tag without a value is written empty.
        leads: lead names; a damaged file may have fewer than 12.

    Raises:
        ValueError: if `counts` has another number of rows than `leads`.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or len(counts) != len(leads):
        raise ValueError(f"counts has shape {counts.shape}, expected ({len(leads)}, samples)")
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    lines = [
        '<?xml version="1.0" encoding="ISO-8859-1" ?>',
        "<CardiologyXML>",
        *_indent(_study(when)),
        *_indent(_patient(when, sex, age)),
        *_indent(_filters()),
        *_indent(_interpretation(diagnosis)),
        *_indent(_resting(counts, leads, sampling_rate_hz, resolution_uv, measurements or {})),
        *_indent(_strip(counts, leads, sampling_rate_hz, resolution_uv)),
        *_indent(_full_disclosure(len(leads), sampling_rate_hz, resolution_uv, leads)),
        "\t<Export></Export>",
        "</CardiologyXML>",
        "",
    ]
    return "\r\n".join(lines).encode("iso-8859-1", "xmlcharrefreplace")


def _tag(name: str, text: object = "", **attributes: str) -> str:
    """One element on one line."""
    attrs = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{attrs}>{escape(str(text))}</{name}>"


def _block(name: str, children: Sequence[str]) -> list[str]:
    """An element with indented children."""
    return [f"<{name}>", *_indent(children), f"</{name}>"]


def _indent(lines: Sequence[str]) -> list[str]:
    return ["\t" + line for line in lines]


def _study(when: datetime) -> list[str]:
    parts = ("hour", "minute", "second", "day", "month", "year")
    clock = [_tag(part.capitalize(), getattr(when, part)) for part in parts]
    device = [_tag("Desc", "CardioSoft"), _tag("SoftwareVer", "V6.73"), _tag("AnalysisVer", "12SL V21")]
    technician = [_tag("FamilyName"), _tag("GivenName"), _tag("PersonID")]
    return [
        _tag("ObservationType", "RestECG"),
        *_block("ObservationDateTime", clock),
        *_block("UID", [_tag("DICOMStudyUID", f"1.2.840.113619.2.235.{when:%Y%m%d%H%M%S}")]),
        *_block(
            "ClinicalInfo",
            [
                _tag("ReasonForStudy"),
                *_block("Technician", technician),
                _tag("ObservationComment"),
                *_block("DeviceInfo", device),
            ],
        ),
    ]


def _patient(when: datetime, sex: int, age: int) -> list[str]:
    location = [_tag("Facility"), _tag("LocationNumber", 0), _tag("LocationName", "* 0 *")]
    visit = [
        _tag("PatientClass", "O"),
        *_block("AssignedPatientLocation", location),
        _tag("PatientRoom"),
        _tag("AdmissionType", "ROUT"),
        _tag("SysBP", units="mmHg"),
        _tag("DiaBP", units="mmHg"),
        _tag("OrderNumber"),
    ]
    # Patient data are not entered into the device: the id is the clock, height and weight are defaults.
    session = int(when.timestamp()) - 20
    birth = [_tag("Day", 1), _tag("Month", 1), _tag("Year", when.year - age)]
    info = [
        _tag("PID", session),
        *_block("Name", [_tag("FamilyName", session), _tag("GivenName", "ACE")]),
        _tag("Age", age, units="YEARS"),
        *_block("BirthDateTime", birth),
        _tag("Gender", "MALE" if sex else "FEMALE"),
        _tag("Race", "UNKNOWN"),
        _tag("Height", 175, units="CENTIMETERS"),
        _tag("Weight", "75.0", units="KILOGRAMS"),
        _tag("PaceMaker", "no"),
    ]
    return [*_block("PatientVisit", visit), *_block("PatientInfo", info)]


def _filters() -> list[str]:
    settings = [
        _tag("CubicSpline", "No"),
        _tag("Filter50Hz", "Yes"),
        _tag("Filter60Hz", "No"),
        _tag("LowPass", 100, units="Hz"),
        _tag("HighPass", "0.01", units="Hz"),
    ]
    return [*_block("FilterSetting", settings), _tag("Device-Type", 2)]


def _interpretation(diagnosis: Sequence[str]) -> list[str]:
    found = _block("Diagnosis", [_tag("DiagnosisText", line) for line in diagnosis])
    return _block("Interpretation", found + _block("Conclusion", [_tag("ConclusionText")]))


def _resting(
    counts: np.ndarray, leads: Sequence[str], rate: int, resolution: float, values: Mapping[str, float]
) -> list[str]:
    """Measurements and, as a decoy for readers that search too widely, the median beat."""
    measured = [_tag("DiagnosisVersion", "12SL V21")]
    for name, unit in MEASUREMENTS.items():
        value = f"{values[name]:g}" if name in values else ""
        measured.append(_tag(name, value, **({"units": unit} if unit else {})))
    median = [
        _tag("NumberOfLeads", len(leads)),
        _tag("SampleRate", rate, units="Hz"),
        _tag("ChannelSampleCountTotal", MEDIAN_SAMPLES),
        _tag("Resolution", f"{resolution:g}", units="uVperLsb"),
        _tag("FirstValid", 0, units="Sample"),
        _tag("LastValid", MEDIAN_SAMPLES - 1, units="Sample"),
        *_waveforms(_median_windows(counts), leads),
    ]
    return _block("RestingECGMeasurements", measured + _block("MedianSamples", median))


def _median_windows(counts: np.ndarray) -> np.ndarray:
    """Median over consecutive windows of 600 samples; a shorter record is padded with zeros to one window."""
    missing = max(0, MEDIAN_SAMPLES - counts.shape[1])
    padded = np.pad(counts, ((0, 0), (0, missing)))
    windows = padded.shape[1] // MEDIAN_SAMPLES
    stacked = padded[:, : windows * MEDIAN_SAMPLES].reshape(len(counts), windows, MEDIAN_SAMPLES)
    return np.median(stacked, axis=1).astype(int)


def _strip(counts: np.ndarray, leads: Sequence[str], rate: int, resolution: float) -> list[str]:
    """The recording itself."""
    return _block(
        "StripData",
        [
            _tag("NumberOfLeads", len(leads)),
            _tag("SampleRate", rate, units="Hz"),
            _tag("ChannelSampleCountTotal", counts.shape[1]),
            _tag("Resolution", f"{resolution:g}", units="uVperLsb"),
            *_waveforms(counts, leads),
        ],
    )


def _waveforms(counts: np.ndarray, leads: Sequence[str]) -> list[str]:
    """One WaveformData element per lead, 300 values per line."""
    lines = []
    for lead, row in zip(leads, counts, strict=True):
        cells = list(map(str, row.tolist()))
        starts = range(0, len(cells), VALUES_A_LINE)
        chunks = [",".join(cells[start : start + VALUES_A_LINE]) for start in starts]
        text = ",\r\n\t\t".join(chunks)
        lines.append(f'<WaveformData lead="{lead}">\r\n\t\t{text}\r\n\t\t</WaveformData>')
    return lines


def _full_disclosure(channels: int, rate: int, resolution: float, leads: Sequence[str]) -> list[str]:
    return _block(
        "FullDisclosure",
        [
            _tag("NumberOfChannels", channels),
            _tag("SampleRate", rate, units="Hz"),
            _tag("Resolution", f"{resolution:g}", units="uVperLsb"),
            _tag("LeadOrder", ",".join(leads)),
            _tag("FullDisclosureData"),
        ],
    )
