"""Read one DICOM frame of a cine from untrusted bytes."""

import math
from dataclasses import dataclass

import numpy as np

from cmr2ecg.cmr.jpeg import decode_lossless, join_fragments
from cmr2ecg.cmr.rle import RLE_LOSSLESS, decode_rle
from cmr2ecg.raw.dicom_elements import EXPLICIT_BIG, IMPLICIT_LITTLE, PIXELS, Elements, read_elements
from cmr2ecg.raw.rejection import Rejection

SIDE_PIXELS = (16, 1024)
SPACING_MM = (0.2, 20.0)
OVERLAYS = 4  # different upper parts: two overlays make four
MAX_POSITION_MM = 5_000.0  # from the scanner's centre
NATIVE = (IMPLICIT_LITTLE, "1.2.840.10008.1.2.1", EXPLICIT_BIG)
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
# Tags by their names in DICOM PS3.6.
SERIES_DESCRIPTION, TRIGGER_TIME, CARDIAC_IMAGES = 0x0008103E, 0x00181060, 0x00181090
SERIES_UID, INSTANCE, POSITION, ORIENTATION = 0x0020000E, 0x00200013, 0x00200032, 0x00200037
SAMPLES, PHOTOMETRIC, NUMBER_OF_FRAMES = 0x00280002, 0x00280004, 0x00280008
ROWS, COLUMNS, PIXEL_SPACING = 0x00280010, 0x00280011, 0x00280030
ALLOCATED, STORED, HIGH_BIT, SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
RESCALE_INTERCEPT, RESCALE_SLOPE = 0x00281052, 0x00281053
HEADER = frozenset((SERIES_DESCRIPTION, POSITION, ORIENTATION))
FRAME = frozenset(
    (
        *(SERIES_DESCRIPTION, TRIGGER_TIME, CARDIAC_IMAGES, SERIES_UID, INSTANCE, SAMPLES, PHOTOMETRIC),
        *(NUMBER_OF_FRAMES, ROWS, COLUMNS, PIXEL_SPACING, ALLOCATED, STORED, HIGH_BIT, SIGNED),
        *(RESCALE_INTERCEPT, RESCALE_SLOPE, PIXELS),
    )
)


@dataclass(frozen=True)
class Header:
    """Series and position of a frame.

    series: SeriesDescription, "" if absent.
    position: ImagePositionPatient, mm (left, back, up); None if absent, all zeros (a frame's corner is never
        at the scanner's centre) or metres away.
    orientation: ImageOrientationPatient, directions (6,) of rows and columns; None if absent or unusable.
    complete: False if the bytes ended before all of these; they may be in further bytes.
    """

    series: str
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    complete: bool


@dataclass(frozen=True)
class Frame:
    """One frame.

    pixels: (rows, columns) integers; rescale: slope and intercept, not yet applied to them.
    spacing_mm: millimetres between rows, between columns.
    series: SeriesDescription; series_uid: SeriesInstanceUID.
    trigger_ms: TriggerTime or None; instance: InstanceNumber or None.
    frames: CardiacNumberOfImages or None.
    """

    pixels: np.ndarray
    rescale: tuple[float, float]
    spacing_mm: tuple[float, float]
    series: str
    series_uid: str
    trigger_ms: float | None
    instance: int | None
    frames: int | None


def read_header(content: bytes) -> Header:
    """Read the series and position of a frame from the first bytes of a file.

    Raises:
        Rejection: if it is not DICOM or malformed.
    """
    elements = read_elements(content, HEADER, ORIENTATION)
    values = elements.values
    return Header(
        _text(values, SERIES_DESCRIPTION),
        _position(values),
        _finite(values, ORIENTATION, 6),
        elements.complete,
    )


def read_frame(content: bytes) -> Frame:
    """Decode one DICOM file.

    Sizes and compression are checked before any pixel is decoded, so that a small file cannot take much memory.

    Raises:
        Rejection: not DICOM, unsupported compression, absurd size, no pixel spacing, or pixels that do not decode.
    """
    try:
        elements = read_elements(content, FRAME, PIXELS)
        if elements.syntax not in (*NATIVE, *JPEG_LOSSLESS, RLE_LOSSLESS):
            raise Rejection("unsupported DICOM compression", elements.syntax)
        if not elements.ends_well():
            raise Rejection("undecodable DICOM", "bytes after the pixels")
        values = elements.values
        return Frame(
            pixels=_pixels(elements, _shape(elements)),
            rescale=_rescale(values),
            spacing_mm=_spacing(values),
            series=_text(values, SERIES_DESCRIPTION),
            series_uid=_text(values, SERIES_UID),
            trigger_ms=_float(values, TRIGGER_TIME),
            instance=_integer(values, INSTANCE),
            frames=_integer(values, CARDIAC_IMAGES),
        )
    except (KeyError, ValueError) as error:
        raise Rejection("undecodable DICOM", type(error).__name__) from error


def _shape(elements: Elements) -> tuple[int, int]:
    """Return rows, columns of one grey image, checked."""
    shape = _short(elements, ROWS), _short(elements, COLUMNS)
    low, high = SIDE_PIXELS
    if not all(low <= side <= high for side in shape):
        raise Rejection("absurd image size", f"{shape[0]} x {shape[1]}")
    if (_integer(elements.values, NUMBER_OF_FRAMES) or 1) != 1 or _short(elements, SAMPLES) != 1:
        raise Rejection("not a single grey image")
    kind, bits, stored = _text(elements.values, PHOTOMETRIC), _short(elements, ALLOCATED), _short(elements, STORED)
    if kind != "MONOCHROME2" or bits not in (8, 16) or not 1 <= stored <= bits or _short(elements, SIGNED) > 1:
        raise Rejection("not a single grey image", f"{kind}, {bits} bits")
    return shape


def _pixels(elements: Elements, shape: tuple[int, int]) -> np.ndarray:
    """Return pixels (rows, columns), without the bits above HighBit, which old files used for overlays."""
    content, signed = elements.values[PIXELS], bool(_short(elements, SIGNED))
    bits, stored = _short(elements, ALLOCATED), _short(elements, STORED)
    if elements.syntax in JPEG_LOSSLESS:
        pixels = decode_lossless(join_fragments(content), shape)
        if 8 * pixels.dtype.itemsize > bits:
            raise Rejection("undecodable DICOM", "JPEG and DICOM headers disagree")
        pixels = pixels.astype(f"u{bits // 8}", copy=False)
    elif elements.syntax == RLE_LOSSLESS:
        pixels = decode_rle(join_fragments(content), shape, bits // 8)
    else:
        kind = np.dtype(f"{'<' if elements.little else '>'}u{bits // 8}")
        size = shape[0] * shape[1] * kind.itemsize
        if len(content) != size + size % 2:  # values have an even length
            raise Rejection("undecodable DICOM", "length of the pixels")
        pixels = np.frombuffer(content, kind, shape[0] * shape[1]).reshape(shape)
        pixels = pixels.astype(kind.newbyteorder("="), copy=False)
    high = _short(elements, HIGH_BIT) if HIGH_BIT in elements.values else stored - 1
    return _stored_bits(pixels, stored, high, signed)


def _stored_bits(pixels: np.ndarray, stored: int, high: int, signed: bool) -> np.ndarray:
    """Return the values in the bits of `pixels` (unsigned) from `high` down, `stored` of them, as signed or unsigned.

    Raises:
        Rejection: there are no such bits, bits below them are in use, or those above are part of the values, so that
            bright pixels would wrap around.
    """
    bits, below = 8 * pixels.dtype.itemsize, high + 1 - stored
    if not 0 <= below <= high < bits:
        raise Rejection("undecodable DICOM", f"{stored} bits up to bit {high} of {bits}")
    if below and (pixels & ((1 << below) - 1)).any():
        raise Rejection("undecodable DICOM", "bits below those stored are in use")
    shifted, kind = pixels >> below, f"i{pixels.dtype.itemsize}"
    unused = bits - stored
    if not unused:
        return shifted.view(kind) if signed else shifted
    found = (shifted << unused).view(kind) >> unused if signed else shifted & ((1 << stored) - 1)
    whole = shifted.view(kind) if signed else shifted
    if (shifted >> stored).any() and not np.array_equal(found, whole) and _wraps(whole, stored):
        raise Rejection("undecodable DICOM", "more bits than stored")
    return found


def _wraps(whole: np.ndarray, stored: int) -> bool:
    """Return whether the bits above the lowest `stored` belong to the values rather than overlays.

    Values change little where their upper part goes up or down by one, while an overlay changes a number by more than
    all the bits below it; and there are few overlays, hence few different upper parts.
    """
    wide = whole.astype(np.int32)
    upper = wide >> stored
    if np.unique(upper).size > OVERLAYS:
        return True
    steps = np.abs(np.diff(wide, axis=1))[np.diff(upper, axis=1) != 0]
    return steps.size > 0 and bool((steps < 1 << stored - 1).mean() > 0.25)


def _rescale(values: dict[int, bytes]) -> tuple[float, float]:
    slope, intercept = _float(values, RESCALE_SLOPE), _float(values, RESCALE_INTERCEPT)
    if any(_text(values, tag) and _float(values, tag) is None for tag in (RESCALE_SLOPE, RESCALE_INTERCEPT)):
        raise Rejection("absurd brightness scale", "no number")
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if not (0 < slope < 1e6 and abs(intercept) < 1e6):
        raise Rejection("absurd brightness scale", f"{slope}, {intercept}")
    return slope, intercept


def _spacing(values: dict[int, bytes]) -> tuple[float, float]:
    low, high = SPACING_MM
    spacing = _finite(values, PIXEL_SPACING, 2)
    if spacing is None or not all(low <= value <= high for value in spacing):
        raise Rejection("no pixel spacing", _text(values, PIXEL_SPACING)[:40])
    return spacing[0], spacing[1]


def _position(values: dict[int, bytes]) -> tuple[float, ...] | None:
    found = _finite(values, POSITION, 3)
    return found if found and 0 < max(map(abs, found)) < MAX_POSITION_MM else None


def _text(values: dict[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("latin-1").strip(" \0")


def _short(elements: Elements, tag: int) -> int:
    """Return a binary number of 16 bits."""
    return int.from_bytes(elements.values[tag][:2], "little" if elements.little else "big")


def _finite(values: dict[int, bytes], tag: int, size: int) -> tuple[float, ...] | None:
    """Return numbers written as text, None unless there are `size` of them and all are finite."""
    try:
        numbers = tuple(map(float, values.get(tag, b"").strip(b" \0").split(b"\\")))
    except ValueError:
        return None
    return numbers if len(numbers) == size and all(map(math.isfinite, numbers)) else None


def _float(values: dict[int, bytes], tag: int) -> float | None:
    found = _finite(values, tag, 1)
    return found[0] if found else None


def _integer(values: dict[int, bytes], tag: int) -> int | None:
    """Return a number written as text, None if it is absent or not an integer."""
    number = _float(values, tag)
    return int(number) if number is not None and number.is_integer() else None
