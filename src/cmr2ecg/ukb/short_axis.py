"""Read the middle short-axis slice of UK Biobank field 20209, a zip of DICOM cines.

A zip holds one series a slice, `CINE_segmented_SAX_b1` ... `bN`, a file a frame, beside series that must be left alone
(`CINE_segmented_SAX_InlineVF` repeats frames with contours). Only the frames of the middle slice are decompressed.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from cmr2ecg.ukb.archive import open_archive, read_member
from cmr2ecg.ukb.dicom import HEADER_BYTES, SERIES_BYTES, Frame, read_frame, read_position, read_series
from cmr2ecg.ukb.manifest import parse_manifest
from cmr2ecg.ukb.rejection import Rejection

SLICE_SERIES = re.compile(r"cine_segmented_sax_b(\d+)_?[a-z]?")  # a rare letter follows the number
MIXED_SERIES = "cine_segmented_sax"
MIN_FRAMES = 10
MAX_MISSING = 0.2  # share of a beat's frames that may be absent or undecodable


@dataclass(frozen=True)
class Cine:
    """The cine of one slice.

    pixels: (frames, rows, columns) integers in order of time.
    spacing_mm: millimetres between rows, between columns.
    slice_index: 0-based from b1 (the base) in the sorted stack; slices: size of the stack.
    missing: frames of the beat that were absent or undecodable.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float]
    slice_index: int
    slices: int
    missing: int


class _ManifestError(Exception):
    """A header contradicts the manifest."""


def read_middle_slice(path: Path | str, minimum_slices: int) -> Cine:
    """Read the slice with index slices // 2 of the short-axis stack (paper §IV-A: the middle slice).

    The manifest says which file belongs to which series where it lists every file; each file used is checked
    against it by its own header. Otherwise the headers of all files are read.

    Args:
        path: the zip.
        minimum_slices: smaller stacks are rejected.

    Raises:
        Rejection: with a fixed reason, if there is no such slice to be read.
    """
    with open_archive(path) as archive:
        series = _series_by_manifest(archive)
        if series:
            try:
                return _read(archive, series, minimum_slices)
            except _ManifestError:
                pass
        return _read(archive, _series_by_headers(archive), minimum_slices)


def slice_number(description: str) -> int | None:
    """Return N of a series description `CINE_segmented_SAX_bN`, in any case, spaces for underscores; else None."""
    match = SLICE_SERIES.fullmatch(_normal(description))
    return int(match[1]) if match else None


def _normal(description: str) -> str:
    return description.strip().lower().replace(" ", "_")


def _images(archive: ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.lower().endswith(".dcm")]


def _series_by_manifest(archive: ZipFile) -> dict[str, str]:
    """Return the series of each image, or {} if the manifest is absent, damaged or incomplete."""
    names = [name for name in archive.namelist() if name.lower().startswith("manifest.")]
    try:
        listed = parse_manifest(read_member(archive, names[0])) if names else {}
    except Rejection:
        return {}
    images = _images(archive)
    complete = bool(images) and all(name in listed for name in images)
    return {name: listed[name] for name in images} if complete else {}


def _series_by_headers(archive: ZipFile) -> dict[str, str]:
    """Return the series of each image whose header can be read."""
    series = {}
    for name in _images(archive):
        try:
            series[name] = read_series(read_member(archive, name, SERIES_BYTES)) or read_series(
                read_member(archive, name, HEADER_BYTES)
            )
        except Rejection:
            continue
    if not series:
        raise Rejection("no DICOM file in the zip")
    return series


def _read(archive: ZipFile, series: dict[str, str], minimum_slices: int) -> Cine:
    stack = _stack(archive, series)
    if not stack:
        raise Rejection("no short-axis series")
    if len(stack) < minimum_slices:
        raise Rejection("too few slices", str(len(stack)))
    middle = len(stack) // 2
    frames, failed = [], 0
    for name in stack[middle]:
        try:
            frame = read_frame(read_member(archive, name))
        except Rejection as error:
            failed, last = failed + 1, error
            continue
        if _normal(frame.series) != _normal(series[name]):
            raise _ManifestError
        frames.append(frame)
    if not frames:
        raise last
    return _cine(frames, middle, len(stack))


def _stack(archive: ZipFile, series: dict[str, str]) -> list[list[str]]:
    """Return the file names of each slice, b1 first."""
    slices: dict[float, list[str]] = defaultdict(list)
    for name, description in series.items():
        number = slice_number(description)
        if number is not None:
            slices[number].append(name)
    if not slices:
        for name, description in series.items():
            if _normal(description) == MIXED_SERIES:
                slices[_depth(archive, name)].append(name)
    return [slices[key] for key in sorted(slices)]


def _depth(archive: ZipFile, name: str) -> float:
    """Order slices of one mixed series: the base lies highest, and z grows towards the head; mm, rounded."""
    return -round(read_position(read_member(archive, name, HEADER_BYTES))[2], 1)


def _cine(frames: list[Frame], middle: int, slices: int) -> Cine:
    frames = _latest_acquisition(frames)
    frames = _in_order_of_time(frames)
    expected = Counter(frame.frames for frame in frames).most_common(1)[0][0] or len(frames)
    missing = max(0, expected - len(frames))
    if len(frames) < MIN_FRAMES or missing > MAX_MISSING * expected:
        raise Rejection("too few frames", f"{len(frames)} of {expected}")
    if len({(frame.pixels.shape, frame.spacing_mm) for frame in frames}) > 1:
        raise Rejection("frames of unequal size")
    return Cine(np.stack([frame.pixels for frame in frames]), frames[0].spacing_mm, middle, slices, missing)


def _latest_acquisition(frames: list[Frame]) -> list[Frame]:
    """A slice taken again has a second SeriesInstanceUID; the last in sorted order counts, as Bai et al. do."""
    latest = max(frame.series_uid for frame in frames)
    return [frame for frame in frames if frame.series_uid == latest]


def _in_order_of_time(frames: list[Frame]) -> list[Frame]:
    """Sort by TriggerTime where every frame has its own, else by InstanceNumber."""
    for times in ([frame.trigger_ms for frame in frames], [frame.instance for frame in frames]):
        if None not in times and len(set(times)) == len(times):
            return [frames[index] for index in np.argsort(times)]
    raise Rejection("frames without an order in time")
