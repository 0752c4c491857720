"""Read the middle short-axis slice of UK Biobank field 20209, a zip of DICOM cines.

A zip has one series per slice, `CINE_segmented_SAX_b1` ... `bN`, one file per frame, and series to be ignored
(`CINE_segmented_SAX_InlineVF` repeats frames with contours). One header per slice is read, and only the frames of
the middle slice are decompressed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from cmr2ecg.cmr.archive import open_archive, read_member
from cmr2ecg.cmr.beat import fitting, join_pixels, one_beat
from cmr2ecg.cmr.dicom import Frame, Header, read_frame
from cmr2ecg.cmr.places import places_in_beat, whole_beat
from cmr2ecg.cmr.series import ManifestError, check_others, find_slices, normal, read_headers, series_by_manifest
from cmr2ecg.cmr.stack import order_slices
from cmr2ecg.raw.rejection import Rejection

# Of all frames of a slice, which are held in memory; UK Biobank's have 2 million, in a zip of 60 MB.
MAX_PIXELS = 50_000_000
PIXELS_A_BYTE, ALWAYS_PIXELS = 10, 5_000_000  # per byte of the zip; allowed for any zip


@dataclass(frozen=True)
class Cine:
    """The cine of one slice.

    pixels: (frames, rows, columns), the whole beat in order of time; an absent frame is a copy of the nearest.
    spacing_mm: millimetres between rows, between columns.
    slice_index: 0-based from the base in the stack; slices: size of the stack.
    missing: frames of the beat that were absent, undecodable or did not fit.
    place: position of the slice in the patient, None if unknown.
    notes: irregularities and how they were repaired.
    taken: index at which each frame was taken, for a copy that of the original; () if there are no copies.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float]
    slice_index: int
    slices: int
    missing: int
    place: Header | None = None
    notes: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()


@dataclass(frozen=True)
class Limits:
    """Minimum requirements of a usable file; see config/README.md, crop_cmr."""

    slices: int = 8
    frames: int = 10
    missing_frames: float = 0.2
    pixels: int = MAX_PIXELS

    def enough(self, frames: int, expected: int) -> bool:
        """Return whether this number of the expected frames is a usable beat."""
        return frames >= self.frames and expected - frames <= self.missing_frames * expected


def read_middle_slice(
    path: Path | str, minimum_slices: int, minimum_frames: int = 10, max_missing_frames: float = 0.2
) -> Cine:
    """Read the middle slice of the short-axis stack (paper §IV-A), see `stack.order_slices`.

    The manifest is used if it lists every file, one header of each series and every used frame agree with it, and
    the stack is regular. Otherwise the headers of all files decide.

    Args:
        path: the zip.
        minimum_slices: smaller stacks are rejected.
        minimum_frames: shorter cines are rejected.
        max_missing_frames: share of a beat's frames that may be absent or undecodable.

    Raises:
        Rejection: with a fixed reason, if there is no readable middle slice.
    """
    with open_archive(path) as archive:
        pixels = min(MAX_PIXELS, max(ALWAYS_PIXELS, PIXELS_A_BYTE * os.path.getsize(path)))
        limits = Limits(minimum_slices, minimum_frames, max_missing_frames, pixels)
        series = series_by_manifest(archive)
        if series:
            try:
                check_others(archive, series)
                cine = _read(archive, series, {}, limits)
                if not cine.notes:
                    return cine
            except (ManifestError, Rejection):
                pass
        headers = read_headers(archive)
        # A file without a readable header counts as undecodable if the manifest assigns it to the slice.
        return _read(archive, {**series, **{name: header.series for name, header in headers.items()}}, headers, limits)


def _read(archive: ZipFile, series: Mapping[str, str], headers: Mapping[str, Header], limits: Limits) -> Cine:
    slices = find_slices(archive, series, headers)
    if not slices:
        raise Rejection("no short-axis series")
    stack = order_slices(slices)
    if len(stack.slices) < limits.slices:
        raise Rejection("too few slices", str(len(stack.slices)))
    middle = stack.slices[stack.middle]
    frames, failed = _frames(archive, middle.names, series, limits.pixels)
    frames, expected, notes = one_beat(frames, failed, limits.enough)
    if expected * frames[0].pixels.size > limits.pixels:
        raise Rejection("too many pixels in one slice", f"{expected} frames")
    pixels, places = join_pixels(frames), places_in_beat(frames, expected)
    fits = fitting(pixels)
    if not fits.all():
        notes = [*notes, f"frames that do not fit: {np.count_nonzero(~fits)}"]
        pixels, places = pixels[fits], places[fits]
        if not limits.enough(len(pixels), expected):
            raise Rejection("too few frames", f"{len(pixels)} of {expected}")
    whole, taken = whole_beat(pixels, places, expected)
    return Cine(
        whole,
        frames[0].spacing_mm,
        stack.middle,
        len(stack.slices),
        expected - len(pixels),
        middle.header,
        (*stack.notes, *notes),
        taken,
    )


def _frames(
    archive: ZipFile, names: tuple[str, ...], series: Mapping[str, str], most_pixels: int
) -> tuple[list[Frame], int]:
    """Return the decodable frames, at least one, and the failures."""
    frames: list[Frame] = []
    failed: list[Rejection] = []
    pixels = 0
    for name in names:
        try:
            frame = read_frame(read_member(archive, name))
        except Rejection as error:
            failed.append(Rejection(error.reason, error.detail))  # the traceback of `error` holds the file's content
            continue
        if normal(frame.series) != normal(series[name]):
            raise ManifestError
        frames.append(frame)
        pixels += frame.pixels.size
        if pixels > most_pixels:
            raise Rejection("too many pixels in one slice", f"more than {len(frames)} frames")
    if not frames:
        raise failed[-1]
    return frames, len(failed)
