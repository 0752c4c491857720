"""Assign the files of a short-axis zip to slices: by the manifest, or by the headers of all files.

The manifest is `manifest.csv`, often misspelt `manifest.cvs`.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping
from zipfile import ZipFile

import numpy as np

from cmr2ecg.cmr.archive import read_member
from cmr2ecg.cmr.dicom import Header, read_header
from cmr2ecg.cmr.stack import SAME_MM, Slice, depth_along
from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 3_000_000  # UK Biobank's: 600 lines of 250 bytes
NAME_COLUMNS = ("filename",)
SERIES_COLUMNS = ("series discription", "series description")  # the first is UK Biobank's own spelling
DATE_COLUMNS = ("date", "study date")


def parse_manifest(content: bytes) -> dict[str, str]:
    """Return the series description of each file name; {} if the columns are missing or the content is not csv.

    Dates may contain an unquoted comma (`Aug 30, 2015 11:20:05`), which shifts later cells: surplus cells
    are taken as parts of the date. A line that still does not have one cell per column is skipped.
    """
    rows = csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""), strict=False)
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        name, series, date = (_first(header, names) for names in (NAME_COLUMNS, SERIES_COLUMNS, DATE_COLUMNS))
        if name is None or series is None:
            return {}
        found = {}
        for row in rows:
            surplus = len(row) - len(header)
            if surplus > 0 and date is not None:
                row = [*row[:date], ",".join(row[date : date + surplus + 1]), *row[date + surplus + 1 :]]
            if len(row) == len(header):
                found[row[name].strip()] = row[series].strip()
    except csv.Error:  # a cell beyond csv's limit
        return {}
    return found


def _first(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


SLICE_SERIES = re.compile(r"cine_segmented_sax_b(\d{1,3})_?[a-z]?")  # a rare letter follows the number
MIXED_SERIES = "cine_segmented_sax"
HEADER_BYTES = (4_096, 65_536)  # the required elements are before the first in almost all files
HEADER_FILES = 3  # files per slice whose header is tried


class ManifestError(Exception):
    """A header contradicts the manifest."""


def series_by_manifest(archive: ZipFile) -> dict[str, str]:
    """Return the series of each image, or {} if the manifest is absent, damaged, too large or incomplete."""
    names = [name for name in archive.namelist() if name.lower().startswith("manifest.")]
    try:
        content = read_member(archive, names[0], MAX_BYTES + 1) if names else b""
    except Rejection:
        return {}
    listed = parse_manifest(content) if len(content) <= MAX_BYTES else {}
    images = _images(archive)
    complete = bool(images) and all(name in listed for name in images)
    return {name: listed[name] for name in images} if complete else {}


def read_headers(archive: ZipFile) -> dict[str, Header]:
    """Return the readable headers of the images."""
    found = {name: _header(archive, name) for name in _images(archive)}
    headers = {name: header for name, header in found.items() if header is not None}
    if not headers:
        raise Rejection("no DICOM file in the zip")
    return headers


def find_slices(archive: ZipFile, series: Mapping[str, str], headers: Mapping[str, Header]) -> list[Slice]:
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
    mixed = [name for name, description in series.items() if normal(description) == MIXED_SERIES]
    found = {name: headers.get(name) or _checked(_header(archive, name), series[name]) for name in mixed}
    return _by_position({name: header for name, header in found.items() if header is not None})


def check_others(archive: ZipFile, series: Mapping[str, str]) -> None:
    """Raise ManifestError unless the first header of every non-slice series agrees with the manifest."""
    others: dict[str, list[str]] = defaultdict(list)
    for name, description in series.items():
        if slice_number(description) is None:
            others[normal(description)].append(name)
    for names in others.values():
        _first_header(archive, names, series, {})


def slice_number(description: str) -> int | None:
    """Return N of a series description `CINE_segmented_SAX_bN`, in any case, spaces for underscores; else None."""
    match = SLICE_SERIES.fullmatch(normal(description))
    return int(match[1]) if match else None


def normal(description: str) -> str:
    """Return a series description for comparison: lower case, underscores for spaces."""
    return description.strip().lower().replace(" ", "_")


def _images(archive: ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.lower().endswith(".dcm")]


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
    if header is not None and normal(header.series) != normal(description):
        raise ManifestError
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
