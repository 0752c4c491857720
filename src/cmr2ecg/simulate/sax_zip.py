"""Write a short-axis cine as the DICOM zip of UK Biobank field 20209.

One series per slice (`CINE_segmented_SAX_b1` is the base), one file per frame, a manifest, and an InlineVF series
of copies that must not be read. A header is encoded once per series; in each frame only fixed-width cells
are replaced.
"""

import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

VISIT = datetime(2015, 8, 30, 11, 20, 5, tzinfo=UTC)
UID_ROOT = "1.3.12.2.1107.5.2.18.99999"  # Siemens form with a scanner number that is not in use
MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.4")
# Direction of rows, and of base to apex in the patient (LPS): left, anterior and down.
ROW = np.array([0.7507, 0.6606, 0.0080])
APEX = np.array([0.5240, -0.5880, -0.6160])
COLUMN = np.cross(ROW, APEX)
_UID = UID(f"{UID_ROOT}.{'9' * 24}")  # replaced in every frame
_NUMBER, _TIME = "+77777", "+8888888.8"  # a sign cannot occur in an identifier
_COLUMNS = "filename,patientid,studyid,seriesid,series discription,study discription,date,aet,host"


@dataclass(frozen=True)
class Geometry:
    """Millimetres of the stack and milliseconds of the beat."""

    pixel_spacing_mm: float
    slice_thickness_mm: float = 8.0
    slice_spacing_mm: float = 10.0
    rr_ms: float = 950.0


def write_sax_zip(
    path: Path,
    volume: np.ndarray,
    *,
    pixel_spacing_mm: float,
    manifest: str | None = "manifest.csv",
    when: datetime = VISIT,
    seed: int,
    rr_ms: float = 950.0,
    inline_vf: bool = True,
    slice_thickness_mm: float = 8.0,
    slice_spacing_mm: float = 10.0,
    patient_id: str = "ANON",
    compresslevel: int = 1,
) -> None:
    """Write `volume` to `path` as a zip of DICOM files.

    Args:
        path: the zip to write.
        volume: (slices, frames, rows, columns) uint16 of at most 12 bits; slice 0 is the base.
        pixel_spacing_mm: side of a pixel.
        manifest: its name in the zip (real ones end in .csv or, misspelt, .cvs); None omits it.
        when: start of the scan.
        seed: the same seed gives the same identifiers, hence the same bytes.
        rr_ms: length of the heart beat; trigger times divide it evenly.
        inline_vf: add the InlineVF decoy series.
        slice_thickness_mm, slice_spacing_mm: thickness, and distance between slice centres.
        patient_id: the patient in headers and manifest (never the eid).
        compresslevel: 0 stores, 1 to 9 deflate.

    Raises:
        ValueError: if `volume` has not four axes, is not uint16 or exceeds 12 bits.
    """
    if volume.ndim != 4 or volume.dtype != np.uint16:
        raise ValueError(f"volume is {volume.dtype} of shape {volume.shape}, expected uint16 with 4 axes")
    if volume.max(initial=0) > 4095:
        raise ValueError("volume holds values above 4095, the largest of 12 bits")
    geometry = Geometry(pixel_spacing_mm, slice_thickness_mm, slice_spacing_mm, rr_ms)
    uids = _Uids(when, seed)
    rows: list[str] = []
    mode = zipfile.ZIP_DEFLATED if compresslevel else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", mode, compresslevel=compresslevel or None) as archive:
        for series in _series_of(volume, inline_vf):
            _write_series(archive, series, geometry, uids, when, patient_id, rows)
        if manifest is not None:
            _add(archive, manifest, (_COLUMNS + "\r\n" + "".join(rows)).encode(), when)


@dataclass(frozen=True)
class _Series:
    """A series to write: its name, its images and the position of each image in the stack."""

    description: str
    number: int
    frames: np.ndarray  # (images, rows, columns)
    slice_index: float
    total: int  # frames per beat
    inline_vf: bool = False
    long_axis: bool = False


class _Uids:
    """Identifiers of constant length that depend only on the seed."""

    def __init__(self, when: datetime, seed: int) -> None:
        self._stem = f"{UID_ROOT}.{when:%Y%m%d%H%M%S}"
        self._start = int(np.random.default_rng(seed).integers(10**9, 9 * 10**9))
        self.study = self.next()

    def next(self) -> str:
        """Return the next identifier; the last group has 24 digits."""
        self._start += 1
        return f"{self._stem}{self._start % 10**10:010d}"


def _series_of(volume: np.ndarray, inline_vf: bool) -> list[_Series]:
    slices, frames = volume.shape[:2]
    found = [
        _Series(f"CINE_segmented_SAX_b{index + 1}", 20 + index, volume[index], index, frames) for index in range(slices)
    ]
    if inline_vf:
        # Real ones repeat whole stacks, including long-axis views; a few frames suffice as a decoy.
        few, middle = min(3, frames), slices // 2
        found += [
            _Series("CINE_segmented_SAX_InlineVF", 60, volume[0, :few], 0, frames, inline_vf=True),
            _Series("CINE_segmented_LAX_4Ch", 61, volume[middle, :few], middle, frames, long_axis=True),
        ]
    return found


def _write_series(
    archive: zipfile.ZipFile,
    series: _Series,
    geometry: Geometry,
    uids: _Uids,
    when: datetime,
    patient_id: str,
    manifest: list[str],
) -> None:
    """Write all frames of one series and record them for the manifest."""
    series_uid = uids.next()
    header = _encode_header(series, geometry, uids.study, series_uid, when, patient_id)
    pixels = np.ascontiguousarray(series.frames, dtype="<u2")
    # Real files also have the unquoted comma in the date, which shifts the following columns.
    day = f"{when:%b} {when.day}, {when:%Y %H:%M:%S}"
    for index, frame in enumerate(pixels):
        uid = uids.next()
        trigger = f"{index * geometry.rr_ms / series.total:<10.1f}"
        data = (
            header.replace(_UID.encode(), uid.encode())
            .replace(_NUMBER.encode(), f"{index + 1:<6d}".encode())
            .replace(_TIME.encode(), trigger.encode())
        )
        _add(archive, f"{uid}.dcm", data + frame.tobytes(), when)
        manifest.append(
            f"{uid}.dcm,{patient_id},{uids.study},{series_uid},{series.description},"
            f"CMR^Heart,{day},SYNTHETIC,SCANNER\r\n"
        )


def _add(archive: zipfile.ZipFile, name: str, data: bytes, when: datetime) -> None:
    """Add a member dated `when`, so that the archive does not depend on the clock."""
    info = zipfile.ZipInfo(name, when.timetuple()[:6])
    info.external_attr = 0o600 << 16
    info.compress_type = archive.compression
    archive.writestr(info, data)


def _encode_header(
    series: _Series, geometry: Geometry, study_uid: str, series_uid: str, when: datetime, patient_id: str
) -> bytes:
    """Return everything of a DICOM file up to the pixels, with cells to replace in each frame."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MR_IMAGE
    dataset.file_meta.MediaStorageSOPInstanceUID = _UID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR_IMAGE, _UID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID(study_uid), UID(series_uid)
    _describe_scan(dataset, series, when, patient_id)
    _describe_beat(dataset, series, geometry)
    _describe_space(dataset, series, geometry)
    rows, columns = series.frames.shape[1:]
    _describe_pixels(dataset, rows, columns)
    dataset.PixelData = b"\0" * (2 * rows * columns)
    if series.inline_vf:
        _describe_overlay(dataset, rows, columns)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()[: -2 * rows * columns]


def _describe_scan(dataset: Dataset, series: _Series, when: datetime, patient_id: str) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.Modality = "MR"
    dataset.Manufacturer, dataset.ManufacturerModelName = "SIEMENS", "Aera"
    dataset.StudyDescription = "CMR^Heart"
    dataset.SeriesDescription, dataset.ProtocolName = series.description, series.description
    dataset.SeriesNumber, dataset.AcquisitionNumber = series.number, 1
    dataset.PatientID, dataset.PatientName, dataset.PatientPosition = patient_id, patient_id, "HFS"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = f"{when:%Y%m%d}"
    started = when + timedelta(seconds=15 * (series.number - 20))
    dataset.StudyTime, dataset.AcquisitionTime = f"{when:%H%M%S}", f"{started:%H%M%S}"


def _describe_beat(dataset: Dataset, series: _Series, geometry: Geometry) -> None:
    dataset.InstanceNumber = _NUMBER
    dataset.TriggerTime = _TIME
    dataset.CardiacNumberOfImages = series.total
    dataset.NominalInterval = round(geometry.rr_ms)
    dataset.HeartRate = round(60000 / geometry.rr_ms)
    dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = 32.6, 1.1, 80


def _describe_space(dataset: Dataset, series: _Series, geometry: Geometry) -> None:
    """Place the slice in the patient; the centre of the stack is the origin of the scanner."""
    rows, columns = series.frames.shape[1:]
    down = APEX if series.long_axis else COLUMN
    row, column = ROW / np.linalg.norm(ROW), down / np.linalg.norm(down)
    normal = np.cross(row, column)  # points from apex to base
    corner = -geometry.pixel_spacing_mm * ((columns - 1) / 2 * row + (rows - 1) / 2 * column)
    position = corner - series.slice_index * geometry.slice_spacing_mm * normal
    dataset.PixelSpacing = [round(geometry.pixel_spacing_mm, 6)] * 2
    dataset.SliceThickness, dataset.SpacingBetweenSlices = (
        geometry.slice_thickness_mm,
        geometry.slice_spacing_mm,
    )
    dataset.ImageOrientationPatient = [round(float(value), 8) for value in (*row, *column)]
    dataset.ImagePositionPatient = [round(float(value), 6) for value in position]
    dataset.SliceLocation = round(float(position @ normal), 6)


def _describe_pixels(dataset: Dataset, rows: int, columns: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 800, 1600


def _describe_overlay(dataset: Dataset, rows: int, columns: int) -> None:
    """Add the empty contour plane (group 6000) that marks the scanner's own ventricular function series."""
    dataset.add_new(0x60000010, "US", rows)
    dataset.add_new(0x60000011, "US", columns)
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", b"\0" * (2 * ((rows * columns + 15) // 16)))
