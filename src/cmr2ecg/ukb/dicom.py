"""Read one DICOM frame of a cine from bytes that came from outside."""

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLossless,
    JPEGLosslessSV1,
)

from cmr2ecg.ukb.rejection import Rejection

TAGS = [
    *("SeriesDescription", "SeriesInstanceUID", "TriggerTime", "InstanceNumber", "CardiacNumberOfImages"),
    *("PixelSpacing", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
]
SERIES_BYTES = 4_096  # SeriesDescription lies in front of this in all but odd files
HEADER_BYTES = 65_536  # every tag looked at lies in front of this
SIDE_PIXELS = (16, 1024)
SPACING_MM = (0.2, 20.0)
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
JPEG = (JPEGLossless, JPEGLosslessSV1)
_SERIES, _POSITION = 0x0008103E, 0x00200032


@dataclass(frozen=True)
class Frame:
    """One frame.

    pixels: (rows, columns) integers.
    spacing_mm: millimetres between rows, between columns.
    series: SeriesDescription; series_uid: SeriesInstanceUID.
    trigger_ms: TriggerTime or None; instance: InstanceNumber or None.
    frames: CardiacNumberOfImages or None.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float]
    series: str
    series_uid: str
    trigger_ms: float | None
    instance: int | None
    frames: int | None


def read_series(content: bytes) -> str:
    """Return SeriesDescription from the first bytes of a file, "" if it is not among them.

    Raises:
        Rejection: if it is not DICOM.
    """
    return str(_until(content, _SERIES).get("SeriesDescription", ""))


def read_position(content: bytes) -> tuple[float, float, float]:
    """Return ImagePositionPatient in mm (left, back, up) from the first bytes of a file.

    Raises:
        Rejection: if it is not DICOM or has no position.
    """
    try:
        x, y, z = _until(content, _POSITION).ImagePositionPatient
        return float(x), float(y), float(z)
    except (AttributeError, TypeError, ValueError) as error:
        raise Rejection("no slice position") from error


def _until(content: bytes, last: int) -> Dataset:
    """Parse the tags up to `last`; the pixels are never reached."""
    try:
        return read_partial(BytesIO(content), stop_when=lambda tag, vr, length: tag > last)
    except Exception as error:  # pydicom raises whatever a damaged file leads to
        raise Rejection("not DICOM", type(error).__name__) from error


def read_frame(content: bytes) -> Frame:
    """Decode one DICOM file.

    Sizes and compression are checked before any pixel is decoded, so that a small file cannot claim much memory.

    Raises:
        Rejection: not DICOM, unsupported compression, absurd size, no pixel spacing, or pixels that do not decode.
    """
    try:
        if DeflatedExplicitVRLittleEndian.encode() in content:  # pydicom would inflate it without a limit
            raise Rejection("unsupported DICOM compression", "deflated")
        dataset = dcmread(BytesIO(content), specific_tags=TAGS)
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax not in NATIVE + JPEG:
            raise Rejection("unsupported DICOM compression", str(syntax))
        _check(dataset, content if syntax in JPEG else None)
        return Frame(
            pixels=dataset.pixel_array if syntax in JPEG else _native_pixels(dataset, syntax),
            spacing_mm=_spacing(dataset),
            series=str(dataset.get("SeriesDescription", "")),
            series_uid=str(dataset.get("SeriesInstanceUID", "")),
            trigger_ms=_optional(dataset, "TriggerTime", float),
            instance=_optional(dataset, "InstanceNumber", int),
            frames=_optional(dataset, "CardiacNumberOfImages", int),
        )
    except Rejection:
        raise
    except Exception as error:  # pydicom and its decoders raise whatever a damaged file leads to
        raise Rejection("undecodable DICOM", type(error).__name__) from error


def _check(dataset: Dataset, jpeg_file: bytes | None) -> None:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    low, high = SIDE_PIXELS
    if not (low <= rows <= high and low <= columns <= high):
        raise Rejection("absurd image size", f"{rows} x {columns}")
    if int(dataset.get("NumberOfFrames") or 1) != 1 or int(dataset.SamplesPerPixel) != 1:
        raise Rejection("not a single grey image")
    if str(dataset.PhotometricInterpretation) != "MONOCHROME2" or int(dataset.BitsAllocated) not in (8, 16):
        raise Rejection("not a single grey image", str(dataset.PhotometricInterpretation))
    if jpeg_file is not None and _jpeg_size(dataset.PixelData) != (rows, columns):
        raise Rejection("absurd image size", "JPEG and DICOM headers disagree")


def _native_pixels(dataset: Dataset, syntax: UID) -> np.ndarray:
    """Return uncompressed pixels; ten times faster than pydicom's general decoder, and equal to it."""
    kind = np.dtype(f"{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}")
    shape = int(dataset.Rows), int(dataset.Columns)
    data = dataset.get_item("PixelData").value
    pixels = np.frombuffer(
        data, kind.newbyteorder("<" if syntax.is_little_endian else ">"), shape[0] * shape[1]
    )
    return pixels.reshape(shape)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return rows, columns of the first JPEG lossless frame header (marker FFC3) in encapsulated pixels."""
    start = data.find(b"\xff\xc3")
    return struct.unpack_from(">HH", data, start + 5) if start >= 0 else (0, 0)


def _spacing(dataset: Dataset) -> tuple[float, float]:
    low, high = SPACING_MM
    spacing = tuple(map(float, dataset.get("PixelSpacing") or ()))
    if len(spacing) != 2 or not all(low <= value <= high for value in spacing):
        raise Rejection("no pixel spacing", str(spacing))
    return spacing


def _optional(dataset: Dataset, tag: str, kind: type) -> float | int | None:
    value = dataset.get(tag)
    return None if value in (None, "") else kind(value)
