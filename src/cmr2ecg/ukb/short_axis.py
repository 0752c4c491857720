"""Read the middle short-axis slice of UK Biobank field 20209, a zip of DICOM cines.

A zip holds one series a slice, `CINE_segmented_SAX_b1` ... `bN`, a file a frame, beside series that must be left alone
(`CINE_segmented_SAX_InlineVF` repeats frames with contours). One header a slice is looked at, and only the frames of
the middle slice are decompressed.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from cmr2ecg.ukb.archive import open_archive, read_member
from cmr2ecg.ukb.beat import fitting, join_pixels, one_beat
from cmr2ecg.ukb.dicom import Frame, Header, read_frame, read_header
from cmr2ecg.ukb.manifest import parse_manifest
from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.stack import SAME_MM, Slice, depth_along, order_slices

SLICE_SERIES = re.compile(r"cine_segmented_sax_b(\d{1,3})_?[a-z]?")  # a rare letter follows the number
MIXED_SERIES = "cine_segmented_sax"
HEADER_BYTES = (4_096, 65_536)  # what is looked at lies in front of the first in all but odd files
HEADER_FILES = 3  # files of a slice whose header is tried
MAX_PIXELS = 50_000_000  # of all frames of a slice, which are held in memory; UK Biobank's have 2 million


@dataclass(frozen=True)
class Cine:
    """The cine of one slice.

    pixels: (frames, rows, columns) in order of time.
    spacing_mm: millimetres between rows, between columns.
    slice_index: 0-based from the base in the stack; slices: size of the stack.
    missing: frames of the beat that were absent, undecodable or did not fit.
    place: where the slice lies in the patient, None if unknown.
    notes: what was unusual and how it was mended.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float]
    slice_index: int
    slices: int
    missing: int
    place: Header | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What a usable file has at least; see config/README.md, crop_cmr."""

    slices: int = 8
    frames: int = 10
    missing_frames: float = 0.2

    def enough(self, frames: int, expected: int) -> bool:
        """Return whether so many of the expected frames make a usable beat."""
        return frames >= self.frames and expected - frames <= self.missing_frames * expected


class _ManifestError(Exception):
    """A header contradicts the manifest."""


def read_middle_slice(
    path: Path | str, minimum_slices: int, minimum_frames: int = 10, max_missing_frames: float = 0.2
) -> Cine:
    """Read the middle slice of the short-axis stack (paper §IV-A), see `stack.order_slices`.

    The manifest says which file belongs to which series where it lists every file; each file used is checked
    against it by its own header. Otherwise the headers of all files are read.

    Args:
        path: the zip.
        minimum_slices: smaller stacks are rejected.
        minimum_frames: shorter cines are rejected.
        max_missing_frames: share of a beat's frames that may be absent or undecodable.

    Raises:
        Rejection: with a fixed reason, if there is no such slice to be read.
    """
    limits = Limits(minimum_slices, minimum_frames, max_missing_frames)
    with open_archive(path) as archive:
        series = _series_by_manifest(archive)
        if series:
            try:
                return _read(archive, series, {}, limits)
            except _ManifestError:
                pass
        headers = _headers(archive)
        return _read(archive, {name: header.series for name, header in headers.items()}, headers, limits)


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


def _headers(archive: ZipFile) -> dict[str, Header]:
    """Return the header of each image that has one."""
    found = {name: _header(archive, name) for name in _images(archive)}
    headers = {name: header for name, header in found.items() if header is not None}
    if not headers:
        raise Rejection("no DICOM file in the zip")
    return headers


def _header(archive: ZipFile, name: str) -> Header | None:
    """Return the header of one image from its first bytes, None if it cannot be read."""
    try:
        for size in HEADER_BYTES:
            header = read_header(read_member(archive, name, size))
            if header.complete:
                break
    except Rejection:
        return None
    return header


def _read(archive: ZipFile, series: Mapping[str, str], headers: Mapping[str, Header], limits: Limits) -> Cine:
    slices = _slices(archive, series, headers)
    if not slices:
        raise Rejection("no short-axis series")
    stack = order_slices(slices)
    if len(stack.slices) < limits.slices:
        raise Rejection("too few slices", str(len(stack.slices)))
    middle = stack.slices[stack.middle]
    frames, failed = _frames(archive, middle.names, series)
    frames, expected, notes = one_beat(frames, failed, limits.enough)
    pixels = join_pixels(frames)
    fits = fitting(pixels)
    if not fits.all():
        notes = [*notes, f"frames that do not fit: {np.count_nonzero(~fits)}"]
        pixels = pixels[fits]
        if not limits.enough(len(pixels), expected):
            raise Rejection("too few frames", f"{len(pixels)} of {expected}")
    return Cine(
        pixels,
        frames[0].spacing_mm,
        stack.middle,
        len(stack.slices),
        expected - len(pixels),
        middle.header,
        (*stack.notes, *notes),
    )


def _slices(archive: ZipFile, series: Mapping[str, str], headers: Mapping[str, Header]) -> list[Slice]:
    """Return the slices by their numbers; if no series has a number, those of one mixed series by their positions."""
    numbered: dict[int, list[str]] = defaultdict(list)
    for name, description in series.items():
        number = slice_number(description)
        if number is not None:
            numbered[number].append(name)
    if numbered:
        return [
            Slice(number, _first_header(archive, names, series, headers), tuple(names))
            for number, names in sorted(numbered.items())
        ]
    mixed = [name for name, description in series.items() if _normal(description) == MIXED_SERIES]
    found = {name: headers.get(name) or _checked(_header(archive, name), series[name]) for name in mixed}
    return _by_position({name: header for name, header in found.items() if header is not None})


def _first_header(
    archive: ZipFile, names: list[str], series: Mapping[str, str], headers: Mapping[str, Header]
) -> Header | None:
    for name in names[:HEADER_FILES]:
        header = headers.get(name) or _checked(_header(archive, name), series[name])
        if header is not None:
            return header
    return None


def _checked(header: Header | None, description: str) -> Header | None:
    """Return the header; raise if it contradicts the manifest."""
    if header is not None and _normal(header.series) != _normal(description):
        raise _ManifestError
    return header


def _by_position(headers: Mapping[str, Header]) -> list[Slice]:
    """Group the frames of one mixed series by their depth in the stack."""
    depths = {name: depth for name, header in headers.items() if (depth := depth_along(header)) is not None}
    groups: list[list[str]] = []
    last = -np.inf
    for name in sorted(depths, key=depths.__getitem__):
        if depths[name] - last >= SAME_MM:
            groups.append([])
        groups[-1].append(name)
        last = depths[name]
    return [Slice(None, headers[names[0]], tuple(names)) for names in groups]


def _frames(archive: ZipFile, names: tuple[str, ...], series: Mapping[str, str]) -> tuple[list[Frame], int]:
    """Return the frames that decode, at least one, and how many files do not."""
    frames: list[Frame] = []
    failed: list[Rejection] = []
    pixels = 0
    for name in names:
        try:
            frame = read_frame(read_member(archive, name))
        except Rejection as error:
            failed.append(error)
            continue
        if _normal(frame.series) != _normal(series[name]):
            raise _ManifestError
        frames.append(frame)
        pixels += frame.pixels.size
        if pixels > MAX_PIXELS:
            raise Rejection("too many pixels in one slice", f"more than {len(frames)} frames")
    if not frames:
        raise failed[-1]
    return frames, len(failed)
