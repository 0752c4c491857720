"""Decode one JPEG lossless image (process 14), checking sizes before a pixel is decoded.

Of the free decoders in Python packages one is GPL (libjpeg), one crashes on some damaged streams (gdcm), one
silently ignores most damage (imagecodecs): this one refuses everything that deviates from the standard.

Source: ITU-T T.81, annex B (markers and headers), annex H (lossless); DICOM PS3.5, annex A.4 (encapsulation).
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cmr2ecg.cmr.jpeg_scan import HuffmanTable, decode_rows, huffman_table
from cmr2ecg.raw.rejection import Rejection

SEQUENCE_END, IMAGE_END = b"\xfe\xff\xdd\xe0", b"\xff\xd9"
LOSSLESS_FRAME, HUFFMAN, SCAN, RESTART_INTERVAL = 0xC3, 0xC4, 0xDA, 0xDD
# Other kinds of frames and hierarchical images: their data could be larger than the checked size.
OTHER_FRAMES = frozenset({*range(0xC0, 0xD0)} - {LOSSLESS_FRAME, HUFFMAN, 0xC8, 0xCC}) | {0xDC, 0xDE, 0xDF}
FIRST_RESTART, STUFFED = 0xD0, 0x00
MAX_PIXEL_BYTES = 8  # per pixel: 16 bits of code and 16 of difference, and as much again if each byte is stuffed
MAX_TABLES = 64


@dataclass(frozen=True)
class Headers:
    """The headers before the pixels of an image.

    precision: bits of a value; shape: rows, columns; table: Huffman code; selection: kind of prediction, 1 to 7.
    rows: between restarts; start: where the coded values begin in the stream.
    """

    precision: int
    shape: tuple[int, int]
    table: HuffmanTable
    selection: int
    rows: int
    start: int


def join_fragments(content: bytes) -> bytes:
    """Return the one image in encapsulated pixels, whose first item is the table of offsets.

    Raises:
        Rejection: if the items do not follow each other up to the sequence's end.
    """
    fragments, at = [], 0
    while content.startswith(b"\xfe\xff\x00\xe0", at) and at + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        at += 8 + length
        fragments.append(content[at - length : at])
    if not content.startswith(SEQUENCE_END, at) or len(fragments) < 2:
        raise Rejection("undecodable DICOM", "fragments of the pixels")
    return b"".join(fragments[1:])


def decode_lossless(stream: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Return pixels (rows, columns), uint8 or uint16.

    Raises:
        Rejection: the header disagrees with `shape`, the stream is not one grey lossless image, or it is damaged.
    """
    stream = stream.rstrip(b"\0")
    if not stream.endswith(IMAGE_END):
        raise Rejection("undecodable DICOM", "JPEG ends early")
    try:
        headers = _headers(stream, shape)
    except (struct.error, IndexError) as error:
        raise Rejection("undecodable DICOM", "JPEG markers") from error
    rows, step = shape[0], headers.rows
    coded, count = stream[headers.start : -len(IMAGE_END)], -(-rows // step)
    if len(coded) > MAX_PIXEL_BYTES * rows * shape[1] + 3 * count:  # before anything is unpacked
        raise Rejection("undecodable DICOM", "JPEG longer than its pixels")
    pieces = _between_restarts(coded, count)
    pixels = np.empty(shape, np.uint8 if headers.precision <= 8 else np.uint16)
    for first, piece in zip(range(0, rows, step), pieces, strict=True):
        size = min(step, rows - first), shape[1]
        pixels[first : first + step] = decode_rows(piece, size, headers.table, headers.selection, headers.precision)
    return pixels


def _headers(stream: bytes, shape: tuple[int, int]) -> Headers:
    """Read the only frame header, the tables and the scan header before the coded values."""
    frame: tuple[int, int] | None = None
    tables: dict[int, HuffmanTable] = {}
    defined, interval, at = 0, 0, 2
    while stream.startswith(b"\xff\xd8") and at + 10 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = struct.unpack_from(">H", stream, at + 2)[0]
        body = stream[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == SCAN and frame:
            precision, component = frame
            selection, table, rows = _scan(body, component, tables), tables.get(body[2] >> 4), shape[0]
            if interval:
                if interval % shape[1]:  # T.81, H.1.1: restarts lie between rows
                    break
                rows = interval // shape[1]
            if table is None:
                break
            return Headers(precision, shape, table, selection, rows, at)
        if marker in OTHER_FRAMES or (marker == LOSSLESS_FRAME and frame):
            break
        if marker == LOSSLESS_FRAME:
            frame = _frame(body, shape)
        elif marker == HUFFMAN:
            defined += 1
            if defined > MAX_TABLES:
                break
            tables |= _tables(body)
        elif marker == RESTART_INTERVAL:
            (interval,) = struct.unpack(">H", body)
    raise Rejection("undecodable DICOM", "JPEG markers")


def _frame(body: bytes, shape: tuple[int, int]) -> tuple[int, int]:
    """Return bits of a value and the number of the only component."""
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    if (rows, columns) != shape:
        raise Rejection("absurd image size", "JPEG and DICOM headers disagree")
    if components != 1 or not 2 <= precision <= 16:
        raise Rejection("not a single grey image", f"JPEG of {components} components")
    return precision, body[6]


def _tables(body: bytes) -> dict[int, HuffmanTable]:
    """Return the Huffman tables of a segment by their number."""
    found, at = {}, 0
    if len(body) > 4 * (17 + 256):  # four tables with all their codes
        raise Rejection("undecodable DICOM", "JPEG Huffman table")
    while at < len(body):
        kind, counts = body[at], body[at + 1 : at + 17]
        values = body[at + 17 : at + 17 + sum(counts)]
        if kind > 3 or len(counts) < 16 or len(values) < sum(counts):  # lossless images use class 0
            raise Rejection("undecodable DICOM", "JPEG Huffman table")
        found[kind] = huffman_table(counts, values)
        at += 17 + len(values)
    return found


def _scan(body: bytes, component: int, tables: dict[int, HuffmanTable]) -> int:
    """Return the predictor of the scan."""
    components, of, _, selection, end, shift = struct.unpack(">6B", body)
    if components != 1 or of != component or not 1 <= selection <= 7 or end:
        raise Rejection("undecodable DICOM", "JPEG scan header")
    if shift:  # the lowest bits were discarded
        raise Rejection("undecodable DICOM", "JPEG that is not lossless")
    return selection


def _between_restarts(coded: bytes, count: int) -> list[np.ndarray]:
    """Return the `count` pieces of bytes (uint8) between restarts, without those stuffed after 0xFF.

    Raises:
        Rejection: if there are more or fewer, or another marker.
    """
    values = np.frombuffer(coded, np.uint8)
    marks = np.flatnonzero(values[:-1] == 0xFF) + 1
    codes = values[marks]
    restarts = marks[codes != STUFFED]
    expected = FIRST_RESTART + np.arange(count - 1) % 8
    if values[-1:].tolist() == [0xFF] or not np.array_equal(values[restarts], expected):
        raise Rejection("undecodable DICOM", "JPEG restarts")
    keep = np.ones(len(values), bool)
    keep[marks] = False
    keep[restarts - 1] = False
    bounds = np.concatenate([[0], restarts, [len(values)]])
    return [values[a:b][keep[a:b]] for a, b in pairwise(bounds)]
