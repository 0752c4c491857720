"""Read one DICOM frame of a cine from bytes that came from outside."""

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLossless,
    JPEGLosslessSV1,
)

from cmr2ecg.ukb.rejection import Rejection

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
        dataset = dcmread(BytesIO(content))
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax not in NATIVE + JPEG:
            raise Rejection("unsupported DICOM compression", str(syntax))
        shape = _shape(dataset, compressed=syntax in JPEG)
        return Frame(
            pixels=dataset.pixel_array if syntax in JPEG else _native_pixels(dataset, shape),
            spacing_mm=_spacing(dataset),
            series=_text(dataset, "SeriesDescription"),
            series_uid=_text(dataset, "SeriesInstanceUID"),
            trigger_ms=_optional(dataset, "TriggerTime", float),
            instance=_optional(dataset, "InstanceNumber", int),
            frames=_optional(dataset, "CardiacNumberOfImages", int),
        )
    except Rejection:
        raise
    except Exception as error:  # pydicom and its decoders raise whatever a damaged file leads to
        raise Rejection("undecodable DICOM", type(error).__name__) from error


def _shape(dataset: Dataset, compressed: bool) -> tuple[int, int]:
    """Return rows, columns of one grey image, checked."""
    shape = _short(dataset, "Rows"), _short(dataset, "Columns")
    low, high = SIDE_PIXELS
    if not all(low <= side <= high for side in shape):
        raise Rejection("absurd image size", f"{shape[0]} x {shape[1]}")
    if (_optional(dataset, "NumberOfFrames", int) or 1) != 1 or _short(dataset, "SamplesPerPixel") != 1:
        raise Rejection("not a single grey image")
    kind, bits = _text(dataset, "PhotometricInterpretation"), _short(dataset, "BitsAllocated")
    if kind != "MONOCHROME2" or bits not in (8, 16):
        raise Rejection("not a single grey image", f"{kind}, {bits} bits")
    if compressed and _jpeg_size(dataset.PixelData) != shape:
        raise Rejection("absurd image size", "JPEG and DICOM headers disagree")
    return shape


def _native_pixels(dataset: Dataset, shape: tuple[int, int]) -> np.ndarray:
    """Return uncompressed pixels (rows, columns), equal to those of pydicom's general decoder but sooner."""
    signed, size = _short(dataset, "PixelRepresentation"), _short(dataset, "BitsAllocated") // 8
    kind = np.dtype(f"{'<' if _is_little(dataset) else '>'}{'i' if signed else 'u'}{size}")
    return np.frombuffer(dataset.get_item("PixelData").value, kind, shape[0] * shape[1]).reshape(shape)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return rows, columns of the first JPEG lossless frame header (marker FFC3) in encapsulated pixels."""
    start = data.find(b"\xff\xc3")
    return struct.unpack_from(">HH", data, start + 5) if start >= 0 else (0, 0)


def _spacing(dataset: Dataset) -> tuple[float, float]:
    low, high = SPACING_MM
    text = _text(dataset, "PixelSpacing") if "PixelSpacing" in dataset else ""
    spacing = tuple(map(float, filter(None, text.split("\\"))))
    if len(spacing) != 2 or not all(low <= value <= high for value in spacing):
        raise Rejection("no pixel spacing", text)
    return spacing


# Elements are read as they lie in the file: pydicom's conversion of a dozen of them takes longer than all the rest.


def _text(dataset: Dataset, tag: str) -> str:
    value = dataset.get_item(tag).value
    return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else str(value or "")


def _short(dataset: Dataset, tag: str) -> int:
    value = dataset.get_item(tag).value
    return (
        int.from_bytes(value[:2], "little" if _is_little(dataset) else "big")
        if isinstance(value, bytes)
        else int(value)
    )


def _is_little(dataset: Dataset) -> bool:
    return dataset.file_meta.TransferSyntaxUID.is_little_endian


def _optional(dataset: Dataset, tag: str, kind: type) -> float | int | None:
    """Return a number written as text, None if it is absent or empty."""
    text = _text(dataset, tag) if tag in dataset else ""
    return kind(text) if text else None
